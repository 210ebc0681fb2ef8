//! Texts in many scripts, the same in every run, with word frequencies by Zipf's law.

/// A seeded random generator (xorshift).
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((self.next() >> 11) % end as u64) as usize
    }

    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Words of scripts with spaces.
const WORDS: usize = 60_000;
/// Characters of scripts without spaces.
const SIGNS: usize = 3000;
const LATIN: [&str; 32] = [
    "an", "be", "cor", "da", "el", "fi", "gra", "ho", "in", "jo", "ka", "lu", "me", "né", "or", "pa", "qui", "ra",
    "so", "té", "un", "va", "wi", "xe", "ya", "zu", "ström", "cha", "ble", "tion", "ing", "er",
];
const CYRILLIC: [&str; 12] = ["на", "пре", "то", "во", "ль", "ка", "мо", "ри", "ст", "ени", "ой", "за"];

/// The vocabulary, most frequent words first.
pub(crate) struct Words {
    by_rank: Vec<String>,
    /// The cumulative frequency up to each word.
    shares: Vec<f64>,
    sign_shares: Vec<f64>,
}

impl Words {
    pub(crate) fn new() -> Self {
        let mut chance = Rng::new(1);
        let mut words = Vec::with_capacity(WORDS);
        for rank in 0..WORDS {
            let syllables: &[&str] = if rank % 6 == 5 { &CYRILLIC } else { &LATIN };
            // Frequent words are short.
            let count = 1 + chance.below(2) + usize::from(rank > 50) + usize::from(rank > 2000);
            words.push((0..count).map(|_| syllables[chance.below(syllables.len())]).collect());
        }
        Self { by_rank: words, shares: zipf(WORDS), sign_shares: zipf(SIGNS) }
    }

    /// The word of a rank, 0 for the most frequent.
    pub(crate) fn word(&self, rank: usize) -> &str {
        &self.by_rank[rank]
    }

    fn some_word(&self, chance: &mut Rng) -> &str {
        &self.by_rank[rank(&self.shares, chance)]
    }

    /// A Han character; frequent ones appear more often.
    pub(crate) fn sign(&self, chance: &mut Rng) -> char {
        let rank = rank(&self.sign_shares, chance) as u32;
        char::from_u32(0x4e00 + rank * 7 % 20_000).expect("all of these are characters")
    }

    /// A message of four to twenty words, or of as many characters and more.
    pub(crate) fn text(&self, chance: &mut Rng) -> String {
        let count = 4 + chance.below(17);
        if chance.below(10) == 0 {
            return (0..count * 2).map(|_| self.sign(chance)).collect();
        }
        let words: Vec<_> = (0..count).map(|_| self.some_word(chance)).collect();
        words.join(" ")
    }
}

fn zipf(count: usize) -> Vec<f64> {
    let mut sum = 0.0;
    let mut shares: Vec<f64> = (1..=count)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    for share in &mut shares {
        *share /= sum;
    }
    shares
}

fn rank(shares: &[f64], chance: &mut Rng) -> usize {
    let share = chance.share();
    shares.partition_point(|upto| *upto < share).min(shares.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_same_in_every_run_and_frequent_words_are_frequent() {
        let words = Words::new();
        let texts = |seed| {
            let mut chance = Rng::new(seed);
            (0..2000).map(|_| words.text(&mut chance)).collect::<Vec<_>>()
        };
        assert_eq!(texts(3), texts(3));
        let has = |word: &str| texts(3).iter().filter(|text| text.split(' ').any(|one| one == word)).count();
        assert!(has(words.word(0)) > 600 && has(words.word(0)) > 20 * has(words.word(500)).max(1));
    }
}
