//! Properties of every text: it is Russian, complete, and varied.

use std::collections::HashSet;

use super::grammar::Gender;
use super::talk::{self, TalkTopic, Tone};
use super::template::Scene;
use super::{article, bio, plot, titles};
use crate::fakes::dice::{Dice, Purpose, row_dice};
use crate::lists::POSITIONS;
use crate::locale::NameOrigin;

const ORIGINS: [NameOrigin; 4] = [NameOrigin::Russian, NameOrigin::English, NameOrigin::Spanish, NameOrigin::French];

fn make(count: u32, write: impl Fn(&Scene<'_>, &mut Dice) -> String) -> Vec<String> {
    (0..count)
        .map(|row| {
            let mut dice = row_dice(7, Purpose::Movies, row);
            let speaker = if row % 2 == 0 { Gender::Male } else { Gender::Female };
            let scene = Scene { film: "Чёрный лёд", speaker, origin: ORIGINS[(row % 4) as usize] };
            write(&scene, &mut dice)
        })
        .collect()
}

fn assert_russian(texts: &[String]) {
    for text in texts {
        assert!(!text.chars().any(|letter| letter.is_ascii_alphabetic()), "Latin letters: {text}");
        assert!(!text.contains(['{', '}', '|', '#', '@', '^', '_']), "a slot was left: {text}");
        assert!(!text.contains("  ") && !text.contains(" ."), "a hole: {text}");
        assert!(!text.chars().next().is_some_and(char::is_lowercase), "no capital: {text}");
    }
}

fn distinct(texts: &[String]) -> usize {
    texts.iter().collect::<HashSet<_>>().len()
}

#[test]
fn plots_are_russian_and_varied() {
    let plots = make(500, plot::plot);
    assert_russian(&plots);
    assert_eq!(distinct(&plots), plots.len());
}

#[test]
fn articles_are_russian_and_varied() {
    let articles = make(40, |scene, dice| article::article(500, scene, dice));
    assert_russian(&articles);
    for text in &articles {
        let sentences: Vec<&str> = text.split(['.', '?', '!']).map(str::trim).filter(|s| !s.is_empty()).collect();
        assert!(sentences.len() >= 500);
        let different = sentences.iter().collect::<HashSet<_>>().len();
        assert!(different > 300, "only {different} different sentences");
        assert!(text.contains("\n\n"));
    }
    assert_russian(&make(300, article::title));
}

#[test]
fn an_article_has_the_requested_sentences() {
    let short = make(1, |scene, dice| article::article(1, scene, dice));
    assert!(!short[0].contains('\n'));
    assert!(make(1, |scene, dice| article::article(0, scene, dice))[0].is_empty());
}

#[test]
fn comments_are_russian_and_varied() {
    for topic in [TalkTopic::Film, TalkTopic::Publication] {
        let comments = make(1_000, |scene, dice| talk::comment(topic, 60, scene, dice).1);
        assert_russian(&comments);
        assert!(distinct(&comments) > 400, "{}", distinct(&comments));
    }
    for tone in [Tone::Praise, Tone::Blame, Tone::Remark, Tone::Question, Tone::Answer] {
        let replies = make(500, |scene, dice| talk::reply(tone, scene, dice).1);
        assert_russian(&replies);
        assert!(distinct(&replies) > 40, "{tone:?}: {}", distinct(&replies));
    }
}

#[test]
fn a_question_is_answered() {
    for row in 0..100 {
        let mut dice = row_dice(1, Purpose::Comments, row);
        let scene = Scene { film: "Мост", speaker: Gender::Male, origin: NameOrigin::Russian };
        assert_eq!(talk::reply(Tone::Question, &scene, &mut dice).0, Tone::Answer);
    }
}

#[test]
fn biographies_are_russian() {
    for position in POSITIONS.into_iter().chain([""]) {
        assert_russian(&make(200, |scene, dice| bio::person_bio(position, scene, dice)));
    }
    let bios = make(500, bio::user_bio);
    assert_russian(&bios);
    assert!(distinct(&bios) > 150);
}

#[test]
fn titles_are_russian_and_originals_latin() {
    let mut seen = HashSet::new();
    let mut with_digits = 0;
    let mut with_yo = 0;
    for row in 0..2_000 {
        let mut dice = row_dice(3, Purpose::Titles, row);
        let origin = ORIGINS[(row % 4) as usize];
        let (title, original) = titles::title(origin, &mut dice);
        assert_russian(std::slice::from_ref(&title));
        assert_eq!(original.is_none(), origin == NameOrigin::Russian);
        if let Some(original) = original {
            assert!(!original.chars().any(|letter| matches!(letter, 'а'..='я' | 'ё')), "{original}");
        }
        with_digits += u32::from(title.contains(|letter: char| letter.is_ascii_digit()));
        with_yo += u32::from(title.to_lowercase().contains('ё'));
        seen.insert(title);
    }
    assert!(seen.len() > 1_000, "{}", seen.len());
    assert!(with_digits > 50 && with_yo > 50);
}
