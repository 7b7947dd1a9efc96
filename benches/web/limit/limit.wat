;; What one thread of this machine can do in WebAssembly SIMD128, by the operations that exact attention consists of.
;; Written by hand so that no compiler stands between the instruction and the measurement.
;;
;; Memory: A [64, 16] at 0, B [64, 16] at 4096, C [16, 16] at 8192, then 4 KiB of arguments of exp at 16384 and its
;; results at 20480: all of it in the first-level cache. From 1 MiB on: the two buffers of `copy`.
(module
  (memory (export "memory") 1040)

  ;; 13 independent chains of a multiplication and an addition, which with x and y fill 15 registers: 104 flops a round.
  (func (export "registers") (param $rounds i32) (result f32)
    (local $x v128) (local $y v128)
    (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128) (local $s4 v128) (local $s5 v128)
    (local $s6 v128) (local $s7 v128) (local $s8 v128) (local $s9 v128) (local $s10 v128) (local $s11 v128)
    (local $s12 v128)
    (local.set $x (f32x4.splat (f32.const 0.5)))
    (local.set $y (f32x4.splat (f32.const 1)))
    (loop $next
      (local.set $s0 (f32x4.add (f32x4.mul (local.get $s0) (local.get $x)) (local.get $y)))
      (local.set $s1 (f32x4.add (f32x4.mul (local.get $s1) (local.get $x)) (local.get $y)))
      (local.set $s2 (f32x4.add (f32x4.mul (local.get $s2) (local.get $x)) (local.get $y)))
      (local.set $s3 (f32x4.add (f32x4.mul (local.get $s3) (local.get $x)) (local.get $y)))
      (local.set $s4 (f32x4.add (f32x4.mul (local.get $s4) (local.get $x)) (local.get $y)))
      (local.set $s5 (f32x4.add (f32x4.mul (local.get $s5) (local.get $x)) (local.get $y)))
      (local.set $s6 (f32x4.add (f32x4.mul (local.get $s6) (local.get $x)) (local.get $y)))
      (local.set $s7 (f32x4.add (f32x4.mul (local.get $s7) (local.get $x)) (local.get $y)))
      (local.set $s8 (f32x4.add (f32x4.mul (local.get $s8) (local.get $x)) (local.get $y)))
      (local.set $s9 (f32x4.add (f32x4.mul (local.get $s9) (local.get $x)) (local.get $y)))
      (local.set $s10 (f32x4.add (f32x4.mul (local.get $s10) (local.get $x)) (local.get $y)))
      (local.set $s11 (f32x4.add (f32x4.mul (local.get $s11) (local.get $x)) (local.get $y)))
      (local.set $s12 (f32x4.add (f32x4.mul (local.get $s12) (local.get $x)) (local.get $y)))
      (br_if $next (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
    ;; Every chain is used, so that none can be left out.
    (f32x4.extract_lane 0
      (f32x4.add
        (f32x4.add
          (f32x4.add (f32x4.add (local.get $s0) (local.get $s1)) (f32x4.add (local.get $s2) (local.get $s3)))
          (f32x4.add (f32x4.add (local.get $s4) (local.get $s5)) (f32x4.add (local.get $s6) (local.get $s7))))
        (f32x4.add
          (f32x4.add (f32x4.add (local.get $s8) (local.get $s9)) (f32x4.add (local.get $s10) (local.get $s11)))
          (local.get $s12)))))

  ;; C = A'B, two rows of C at a time: 2 * 64 * 16 * 16 flops a round.
  (func (export "microkernel") (param $rounds i32)
    (local $row i32) (local $k i32) (local $a v128)
    (local $b0 v128) (local $b1 v128) (local $b2 v128) (local $b3 v128)
    (local $c0 v128) (local $c1 v128) (local $c2 v128) (local $c3 v128)
    (local $c4 v128) (local $c5 v128) (local $c6 v128) (local $c7 v128)
    (loop $round
      (local.set $row (i32.const 0))
      (loop $pair
        (local.set $c0 (v128.const i64x2 0 0))
        (local.set $c1 (v128.const i64x2 0 0))
        (local.set $c2 (v128.const i64x2 0 0))
        (local.set $c3 (v128.const i64x2 0 0))
        (local.set $c4 (v128.const i64x2 0 0))
        (local.set $c5 (v128.const i64x2 0 0))
        (local.set $c6 (v128.const i64x2 0 0))
        (local.set $c7 (v128.const i64x2 0 0))
        (local.set $k (i32.const 0))
        (loop $step
          (local.set $b0 (v128.load offset=4096 (local.get $k)))
          (local.set $b1 (v128.load offset=4112 (local.get $k)))
          (local.set $b2 (v128.load offset=4128 (local.get $k)))
          (local.set $b3 (v128.load offset=4144 (local.get $k)))
          (local.set $a (v128.load32_splat (i32.add (local.get $k) (local.get $row))))
          (local.set $c0 (f32x4.add (local.get $c0) (f32x4.mul (local.get $a) (local.get $b0))))
          (local.set $c1 (f32x4.add (local.get $c1) (f32x4.mul (local.get $a) (local.get $b1))))
          (local.set $c2 (f32x4.add (local.get $c2) (f32x4.mul (local.get $a) (local.get $b2))))
          (local.set $c3 (f32x4.add (local.get $c3) (f32x4.mul (local.get $a) (local.get $b3))))
          (local.set $a (v128.load32_splat offset=4 (i32.add (local.get $k) (local.get $row))))
          (local.set $c4 (f32x4.add (local.get $c4) (f32x4.mul (local.get $a) (local.get $b0))))
          (local.set $c5 (f32x4.add (local.get $c5) (f32x4.mul (local.get $a) (local.get $b1))))
          (local.set $c6 (f32x4.add (local.get $c6) (f32x4.mul (local.get $a) (local.get $b2))))
          (local.set $c7 (f32x4.add (local.get $c7) (f32x4.mul (local.get $a) (local.get $b3))))
          (local.set $k (i32.add (local.get $k) (i32.const 64)))
          (br_if $step (i32.lt_u (local.get $k) (i32.const 4096))))
        ;; A row of C has 64 bytes, an element of A in the same column 4.
        (local.set $k (i32.shl (local.get $row) (i32.const 4)))
        (v128.store offset=8192 (local.get $k) (local.get $c0))
        (v128.store offset=8208 (local.get $k) (local.get $c1))
        (v128.store offset=8224 (local.get $k) (local.get $c2))
        (v128.store offset=8240 (local.get $k) (local.get $c3))
        (v128.store offset=8256 (local.get $k) (local.get $c4))
        (v128.store offset=8272 (local.get $k) (local.get $c5))
        (v128.store offset=8288 (local.get $k) (local.get $c6))
        (v128.store offset=8304 (local.get $k) (local.get $c7))
        (local.set $row (i32.add (local.get $row) (i32.const 8)))
        (br_if $pair (i32.lt_u (local.get $row) (i32.const 64))))
      (br_if $round (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))))

  ;; exp of 1024 arguments from -87 to 0 a round: x = n ln 2 + r, 2^n by the exponent's bits, exp(r) by a polynomial of
  ;; degree 6. The magic number 1.5 * 2^23 rounds n, and leaves it in the low bits; 126 more and the doubled polynomial make
  ;; 2^(n-1) of them by a shift, and 0 where n is -126. As integers, negative numbers are the larger the smaller they are.
  (func (export "exp") (param $rounds i32)
    (local $at i32) (local $x v128) (local $t v128) (local $n v128) (local $r v128) (local $p v128)
    (loop $round
      (local.set $at (i32.const 0))
      (loop $next
        (local.set $x (i32x4.min_u (v128.load offset=16384 (local.get $at)) (v128.const f32x4 -87 -87 -87 -87)))
        (local.set $t (f32x4.add
          (f32x4.mul (local.get $x) (v128.const f32x4 1.442695 1.442695 1.442695 1.442695))
          (v128.const f32x4 12583038 12583038 12583038 12583038)))
        (local.set $n (f32x4.sub (local.get $t) (v128.const f32x4 12583038 12583038 12583038 12583038)))
        (local.set $r (f32x4.sub (local.get $x)
          (f32x4.mul (local.get $n) (v128.const f32x4 0.693359375 0.693359375 0.693359375 0.693359375))))
        (local.set $r (f32x4.add (local.get $r)
          (f32x4.mul (local.get $n) (v128.const f32x4 2.1219444e-4 2.1219444e-4 2.1219444e-4 2.1219444e-4))))
        (local.set $p (f32x4.add
          (f32x4.mul (local.get $r) (v128.const f32x4 2.7629168e-3 2.7629168e-3 2.7629168e-3 2.7629168e-3))
          (v128.const f32x4 1.6737448e-2 1.6737448e-2 1.6737448e-2 1.6737448e-2)))
        (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $r))
          (v128.const f32x4 8.333678e-2 8.333678e-2 8.333678e-2 8.333678e-2)))
        (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $r))
          (v128.const f32x4 0.33333042 0.33333042 0.33333042 0.33333042)))
        (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $r))
          (v128.const f32x4 0.99999986 0.99999986 0.99999986 0.99999986)))
        (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $r)) (v128.const f32x4 2 2 2 2)))
        (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $r)) (v128.const f32x4 2 2 2 2)))
        (v128.store offset=20480 (local.get $at)
          (f32x4.mul (local.get $p) (i32x4.shl (local.get $t) (i32.const 23))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br_if $next (i32.lt_u (local.get $at) (i32.const 4096))))
      (br_if $round (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))))

  ;; 32 MiB from one buffer to another, past every cache but the last.
  (func (export "copy") (param $rounds i32)
    (loop $round
      (memory.copy (i32.const 0x2100000) (i32.const 0x100000) (i32.const 0x2000000))
      (br_if $round (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))))
