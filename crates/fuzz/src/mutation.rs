//! Input that is nearly good: seeds with something done to them, the same for the same number.

/// Random numbers that anyone can have again (splitmix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall the same for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a length");
        usize::try_from(self.throw() % end).expect("below a length")
    }

    fn byte(&mut self) -> u8 {
        self.throw().to_le_bytes()[0]
    }
}

/// What often means something: ends of ranges, signs, lengths.
const NUMBERS: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// Most bytes of what comes out.
const BYTES_MAX: usize = 16 << 10;

/// One of the seeds, with up to eight things done to it.
pub fn mutate(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = pick(dice, seeds).to_vec();
    for _ in 0..=dice.below(8) {
        change(dice, &mut bytes, seeds);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

/// One of the seeds, which are texts, with up to six of its lines changed, and half of the time something done to its bytes.
pub fn mutate_lines(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = lines_of(pick(dice, seeds));
    for _ in 0..=dice.below(6) {
        let at = dice.below(lines.len() + 1);
        let other = lines_of(pick(dice, seeds));
        let other = match other.len() {
            0 => Vec::new(),
            count => other[dice.below(count)].clone(),
        };
        match dice.below(5) {
            0 => lines.insert(at, other),
            _ if at == lines.len() => {}
            1 => drop(lines.remove(at)),
            2 => lines[at] = other,
            3 => {
                let to = dice.below(lines.len());
                lines.swap(at, to);
            }
            _ => lines[at] = with_another_word(dice, &lines[at], &other),
        }
    }
    let mut bytes = lines.concat();
    if dice.below(2) == 0 {
        change(dice, &mut bytes, seeds);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn lines_of(text: &[u8]) -> Vec<Vec<u8>> {
    text.split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

/// The line with a number, or a word of another line, in place of one of its own.
fn with_another_word(dice: &mut Dice, line: &[u8], other: &[u8]) -> Vec<u8> {
    let is_between = |byte: &u8| b" :;=,/\r\n".contains(byte);
    let words = |line: &[u8]| -> Vec<Vec<u8>> {
        line.split_inclusive(is_between)
            .map(<[u8]>::to_vec)
            .collect()
    };
    let (mut own, others) = (words(line), words(other));
    if own.is_empty() {
        return line.to_vec();
    }
    let at = dice.below(own.len());
    let between = own[at].last().copied().filter(|byte| is_between(byte));
    let mut word = if others.is_empty() || dice.below(2) == 0 {
        NUMBERS[dice.below(NUMBERS.len())].to_string().into_bytes()
    } else {
        others[dice.below(others.len())].clone()
    };
    word.retain(|byte| !is_between(byte));
    word.extend(between);
    own[at] = word;
    own.concat()
}

fn pick<'a>(dice: &mut Dice, seeds: &'a [Vec<u8>]) -> &'a [u8] {
    match seeds.len() {
        0 => &[],
        count => &seeds[dice.below(count)],
    }
}

fn change(dice: &mut Dice, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = dice.below(bytes.len() + 1);
    let until = at + dice.below(bytes.len() - at + 1);
    match dice.below(10) {
        0 | 1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        2 if at < bytes.len() => bytes[at] = dice.byte(),
        3 => {
            let count = 1 + dice.below(16);
            let new: Vec<u8> = (0..count).map(|_| dice.byte()).collect();
            bytes.splice(at..at, new);
        }
        4 => drop(bytes.drain(at..until)),
        5 => {
            let again = bytes[at..until].to_vec();
            bytes.splice(at..at, again);
        }
        6 => {
            let other = pick(dice, seeds);
            let from = dice.below(other.len() + 1);
            let to = from + dice.below(other.len() - from + 1);
            bytes.splice(at..until, other[from..to].iter().copied());
        }
        7 => bytes.truncate(at),
        _ => {
            // A number over what was there, of one, two, four or eight bytes.
            let number = NUMBERS[dice.below(NUMBERS.len())].to_be_bytes();
            let width = 1 << dice.below(4);
            let end = (at + width).min(bytes.len());
            bytes[at..end].copy_from_slice(&number[8 - width..][..end - at]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_gives_the_same_input_and_inputs_differ() {
        let seeds = vec![
            b"one=seed of words\nand: of lines\nthat;are,some\n".to_vec(),
            b"another\nof/three\nlines=of its own".to_vec(),
        ];
        for mutate in [mutate, mutate_lines] {
            let some = |seed| {
                let mut dice = Dice::new(seed);
                (0..200)
                    .map(|_| mutate(&mut dice, &seeds))
                    .collect::<Vec<_>>()
            };
            assert_eq!(some(1), some(1));
            assert_ne!(some(1), some(2));
            let mut different = some(1);
            different.sort();
            different.dedup();
            assert!(different.len() > 150, "{}", different.len());
        }
    }
}
