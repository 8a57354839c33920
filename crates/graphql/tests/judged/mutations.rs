//! Documents made from the cases by moving, removing and replacing tokens, the same for the same seed.

use std::collections::HashSet;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};
use serde_json::json;

use super::judge::Verdict;

/// `count` documents as `judge.mjs -` reads them.
pub fn of(verdicts: &[Verdict], seed: u64, count: usize) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let documents: Vec<Vec<&str>> =
        verdicts.iter().map(|verdict| tokens(verdict["document"].as_str().unwrap())).collect();
    let words: Vec<&str> = documents.iter().flatten().copied().filter(|token| !token.trim().is_empty()).collect();
    let mut seen = HashSet::new();
    let mut lines = String::new();
    while seen.len() < count {
        let i = random.random_range(0..documents.len());
        // Valid documents break in more ways than invalid ones.
        if verdicts[i]["valid"] != true && random.random_range(0..3) > 0 {
            continue;
        }
        let mut document = documents[i].clone();
        for _ in 0..random.random_range(1..=2) {
            mutate(&mut document, &documents, &words, &mut random);
        }
        let document = document.concat();
        if document.len() < 3_000 && seen.insert(document.clone()) {
            let name = format!("mutation {}", seen.len());
            lines.push_str(&json!({"name": name, "document": document}).to_string());
            lines.push('\n');
        }
    }
    lines
}

fn mutate<'t>(document: &mut Vec<&'t str>, documents: &[Vec<&'t str>], words: &[&'t str], random: &mut impl Rng) {
    if document.is_empty() {
        return;
    }
    let (at, other) = (random.random_range(0..document.len()), random.random_range(0..document.len()));
    let word = words[random.random_range(0..words.len())];
    match random.random_range(0..6) {
        0 => drop(document.remove(at)),
        1 => document.insert(at, document[other]),
        2 => document.swap(at, other),
        3 => document[at] = word,
        4 => drop(document.splice(at..at, [" ", word, " "])),
        _ => {
            let donor = &documents[random.random_range(0..documents.len())];
            if !donor.is_empty() {
                let from = random.random_range(0..donor.len());
                let to = (from + random.random_range(1..=8)).min(donor.len());
                document.splice(at..at, donor[from..to].iter().copied());
            }
        }
    }
}

/// The tokens of a text and the text between them; together they are the text.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' if rest.starts_with("\"\"\"") => rest[3..].find("\"\"\"").map_or(3, |end| end + 6),
            '"' => string(rest),
            '.' if rest.starts_with("...") => 3,
            '_' | 'a'..='z' | 'A'..='Z' => run(rest, |c| c == '_' || c.is_ascii_alphanumeric()),
            '-' | '0'..='9' => 1 + run(&rest[1..], |c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-')),
            _ if first.is_whitespace() => run(rest, char::is_whitespace),
            _ => first.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        tokens.push(token);
        rest = behind;
    }
    tokens
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// The length of a string with its quotes; of the quote alone if the string does not end.
fn string(text: &str) -> usize {
    let mut is_escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return 1,
            '"' if !is_escaped => return i + 1,
            _ => is_escaped = c == '\\' && !is_escaped,
        }
    }
    1
}
