//! RSA keys that tell their primes (ROCA, CVE-2017-15361).
//!
//! A library in smart cards, TPMs and tokens made each prime as `k · M + (65537^a mod M)`, where `M` is the product of
//! the first primes: 126 of them for keys of 2048 bits, 225 for those of 4096. Such a modulus is a power
//! of 65537 modulo each of these small primes, and can be factored.

/// Whether a big-endian modulus of 2048 bits or more was made so.
///
/// Another modulus is taken for one of these with a probability of 2⁻⁸³. It costs little: of the others
/// a prime or two have to be tried.
pub(super) fn has_fingerprint(modulus: &[u8]) -> bool {
    small_primes().all(|prime| is_power_of_65537(remainder(modulus, prime), prime))
}

/// The odd ones among the first 71: those of which `M` is made for keys of 992 bits already, so there
/// is no doubt about the longer ones that are checked here.
fn small_primes() -> impl Iterator<Item = u32> {
    let is_prime = |number: &u32| (2..*number).all(|divisor| !number.is_multiple_of(divisor));
    (3..=353).filter(is_prime)
}

fn remainder(number: &[u8], divisor: u32) -> u32 {
    number.iter().fold(0, |remainder, byte| {
        (remainder << 8 | u32::from(*byte)) % divisor
    })
}

/// The powers repeat before there are as many as the prime says.
fn is_power_of_65537(residue: u32, prime: u32) -> bool {
    let mut power = 1;
    (1..prime).any(|_| {
        power = power * 65_537 % prime;
        power == residue
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 65537^exponent, big-endian.
    fn power_of_65537(exponent: usize) -> Vec<u8> {
        let mut bytes = vec![1];
        for _ in 0..exponent {
            // 2^16 times the number, and once more the number.
            let shifted = [&bytes[..], &[0, 0]].concat();
            let mut carry = 0;
            let padded = [0, 0].into_iter().chain(bytes);
            let mut sum: Vec<u8> = shifted
                .into_iter()
                .rev()
                .zip(padded.collect::<Vec<_>>().into_iter().rev())
                .map(|(a, b)| {
                    carry += u16::from(a) + u16::from(b);
                    let [high, low] = carry.to_be_bytes();
                    carry = u16::from(high);
                    low
                })
                .collect();
            assert_eq!(carry, 0);
            sum.reverse();
            bytes = sum;
        }
        bytes
    }

    #[test]
    fn a_power_of_65537_has_the_fingerprint_and_its_neighbours_do_not() {
        for exponent in [128, 129, 200, 256] {
            let mut modulus = power_of_65537(exponent);
            assert!(modulus.len() * 8 >= 2048);
            assert!(has_fingerprint(&modulus), "{exponent}");
            assert!(has_fingerprint(&[&[0], &modulus[..]].concat()));
            for change in [2, 4, 0x80] {
                *modulus.last_mut().unwrap() ^= change;
                assert!(!has_fingerprint(&modulus), "{exponent} {change}");
                *modulus.last_mut().unwrap() ^= change;
            }
        }
    }

    #[test]
    fn a_prime_factor_that_is_tried_excludes_the_fingerprint() {
        for factor in [3_u8, 5, 251] {
            assert!(!has_fingerprint(&[factor]));
        }
        assert!(!has_fingerprint(&[]));
    }

    #[test]
    fn another_modulus_is_taken_for_one_of_these_once_in_2_to_the_83() {
        assert_eq!(small_primes().count(), 70);
        let share = |prime: u32| {
            let powers = (1..prime).filter(|residue| is_power_of_65537(*residue, prime));
            f64::from(u32::try_from(powers.count()).unwrap()) / f64::from(prime - 1)
        };
        let all: f64 = small_primes().map(share).product();
        assert_eq!(all.log2().round(), -83.0);
    }
}
