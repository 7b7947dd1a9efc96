// Multiply-adds and nothing else: sixteen independent chains of them a thread, in registers.

@group(0) @binding(0) var<storage, read_write> out: array<vec4f>;

override TURNS: u32 = 1024;

@compute @workgroup_size(256)
fn peak(@builtin(global_invocation_id) id: vec3u) {
  let factor = vec4f(f32(id.x % 7u)) * 1e-7 + 0.999;
  var a = vec4f(f32(id.x));
  var b = a + 1.0;
  var c = a + 2.0;
  var d = a + 3.0;
  for (var turn = 0u; turn < TURNS; turn++) {
    a = fma(a, factor, b);
    b = fma(b, factor, c);
    c = fma(c, factor, d);
    d = fma(d, factor, factor);
    a = fma(a, factor, factor);
    b = fma(b, factor, factor);
    c = fma(c, factor, factor);
    d = fma(d, factor, factor);
  }
  out[id.x % arrayLength(&out)] = a + b + c + d;
}
