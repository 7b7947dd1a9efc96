//! Sorting integers. One sort serves the whole crate, and one by digits is a tenth of the code of a general one.

/// Bits of a digit.
const DIGIT: u32 = 8;
const DIGITS: usize = 1 << DIGIT;

/// Sorts `list`, ascending, digit by digit from the least significant one; `spare` is scratch of the same length. O(length) for each
/// of the eight digits that is not the same everywhere.
pub(crate) fn sort(list: &mut Vec<u64>, spare: &mut Vec<u64>) {
    if list.is_sorted() {
        return;
    }
    spare.resize(list.len(), 0);
    for shift in (0..u64::BITS).step_by(DIGIT as usize) {
        let digit = |x: u64| (x >> shift) as usize % DIGITS;
        // Of each digit first how many there are, then where the next one goes.
        let mut places = [0; DIGITS];
        list.iter().for_each(|&x| places[digit(x)] += 1);
        if places[digit(list[0])] == list.len() {
            continue;
        }
        let mut next = 0;
        for place in &mut places {
            (*place, next) = (next, next + *place);
        }
        for &x in list.iter() {
            let place = &mut places[digit(x)];
            spare[*place] = x;
            *place += 1;
        }
        std::mem::swap(list, spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_list_comes_out_as_the_standard_library_sorts_it() {
        let mut state = 1u64;
        for len in (0..40).chain([1000]) {
            for bits in [1, 7, 8, 9, 31, 64] {
                let mut list: Vec<u64> = (0..len)
                    .map(|_| {
                        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        state >> (64 - bits)
                    })
                    .collect();
                let mut want = list.clone();
                want.sort_unstable();
                sort(&mut list, &mut Vec::new());
                assert_eq!(list, want, "{len} of {bits} bits");
            }
        }
    }
}
