//! Turns a template into a sentence whose words agree.
//!
//! A template is plain text with slots in braces:
//!
//! | slot | becomes |
//! |---|---|
//! | `{hero.acc}` | a noun of the class in this case |
//! | `{+hero.acc}`, `{good+aspect.nom}` | the same after an agreeing adjective, from the class's own list or a named one |
//! | `{in}`, `{to}`, `{from}` | a place with its preposition: в городе, в город, из города; `{+in}` with an adjective |
//! | `{=good.ins}` | an adjective that agrees with the last noun |
//! | `{#ся\|ась\|ось}` | by the gender of the last noun |
//! | `{^он\|она}` | by the gender of the last hero |
//! | `{@\|а}` | by the gender of the speaker |
//! | `{одно\|другое}` | one of the alternatives |
//! | `{name}`, `{surname}`, `{film}` | a name of the last hero's gender, the film's title in quotes |
//! | `{when}` | a template from the named list, see `phrases` |

use std::collections::VecDeque;

use super::grammar::{Case, Gender, Noun, agree, preposition};
use super::{lexicon, phrases};
use crate::fakes::dice::{Dice, pick, under};
use crate::locale::{NameOrigin, given_name, surname};

/// The subject of a text, and its speaker.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The title of the movie, without quotes.
    pub film: &'a str,
    /// The gender of the text's author.
    pub speaker: Gender,
    /// The origin of the heroes' names.
    pub origin: NameOrigin,
}

/// Writes one sentence with a template from a list.
pub fn sentence(templates: &[&str], scene: &Scene<'_>, dice: &mut Dice) -> String {
    let template = pick(templates, dice);
    let mut writer = TemplateWriter { scene, hero: Gender::Male, noun: Gender::Male, animate: false };
    let mut text = String::with_capacity(160);
    writer.write(template, &mut text, dice);
    capitalised(&text)
}

/// Writes sentences with templates from a list, joined by spaces. A template is repeated only after [`REST`]
/// others, or half of the list.
pub fn sentences(count: u32, templates: &[&str], scene: &Scene<'_>, dice: &mut Dice) -> String {
    let mut deck = Deck::default();
    let mut text = String::new();
    for _ in 0..count {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&deck.sentence(templates, scene, dice));
    }
    text
}

/// The number of other templates before one is repeated.
const REST: usize = 24;

/// Writes sentences without repeating templates soon.
#[derive(Debug, Default)]
pub struct Deck<'a> {
    used: VecDeque<&'a str>,
}

impl<'a> Deck<'a> {
    /// Writes one sentence with a template that was not used recently.
    pub fn sentence(&mut self, templates: &[&'a str], scene: &Scene<'_>, dice: &mut Dice) -> String {
        let mut template = pick(templates, dice);
        let rest = REST.min(templates.len() / 2);
        while self.used.iter().take(rest).any(|used| *used == template) {
            template = pick(templates, dice);
        }
        self.used.push_front(template);
        self.used.truncate(REST);
        sentence(&[template], scene, dice)
    }
}

/// The text with a capital letter at its start, also after a quote, and after each stop.
pub fn capitalised(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut is_start = true;
    for letter in text.chars() {
        if is_start && letter.is_alphabetic() {
            result.extend(letter.to_uppercase());
            is_start = false;
        } else {
            result.push(letter);
            is_start = matches!(letter, '.' | '!' | '?') || is_start && matches!(letter, ' ' | '«');
        }
    }
    result
}

struct TemplateWriter<'a> {
    scene: &'a Scene<'a>,
    hero: Gender,
    noun: Gender,
    animate: bool,
}

impl TemplateWriter<'_> {
    fn write(&mut self, template: &str, text: &mut String, dice: &mut Dice) {
        let mut rest = template;
        while let Some((plain, tail)) = rest.split_once('{') {
            text.push_str(plain);
            let Some((slot, tail)) = tail.split_once('}') else { break };
            self.fill(slot, text, dice);
            rest = tail;
        }
        text.push_str(rest);
    }

    fn fill(&mut self, slot: &str, text: &mut String, dice: &mut Dice) {
        if let Some(forms) = slot.strip_prefix('#') {
            text.push_str(form(forms, self.noun));
        } else if let Some(forms) = slot.strip_prefix('^') {
            text.push_str(form(forms, self.hero));
        } else if let Some(forms) = slot.strip_prefix('@') {
            text.push_str(form(forms, self.scene.speaker));
        } else if let Some((list, case)) = slot.strip_prefix('=').and_then(|slot| slot.split_once('.')) {
            let words = lexicon::adjectives(list).unwrap_or_default();
            text.push_str(&agree(pick(words, dice), self.noun, case_named(case), self.animate));
        } else if slot.contains('|') {
            let choices = slot.split('|').count();
            let chosen = under(u32::try_from(choices).unwrap_or(1), dice);
            text.push_str(slot.split('|').nth(chosen as usize).unwrap_or_default());
        } else if let Some((class, case)) = slot.split_once('.') {
            self.name_noun(class, case_named(case), text, dice);
        } else {
            self.fill_word(slot, text, dice);
        }
    }

    fn fill_word(&mut self, word: &str, text: &mut String, dice: &mut Dice) {
        match word {
            "film" => {
                text.push('«');
                text.push_str(self.scene.film);
                text.push('»');
            }
            "name" => text.push_str(given_name(self.scene.origin, self.hero == Gender::Female, dice)),
            "surname" => text.push_str(&surname(self.scene.origin, self.hero == Gender::Female, dice)),
            "in" | "to" | "from" | "+in" | "+to" | "+from" => self.place(word, text, dice),
            list => {
                let template = pick(phrases::list(list), dice);
                self.write(template, text, dice);
            }
        }
    }

    fn name_noun(&mut self, class: &str, case: Case, text: &mut String, dice: &mut Dice) {
        let (list, class) = class.split_once('+').map_or((None, class), |(list, class)| (Some(list), class));
        let Some((nouns, own)) = lexicon::nouns(class) else { return };
        let noun = pick(nouns, dice);
        self.noun = noun.gender();
        self.animate = noun.is_animate();
        if class == "hero" {
            self.hero = noun.gender();
        }
        if let Some(list) = list {
            let words = lexicon::adjectives(list).unwrap_or(own);
            text.push_str(&described(pick(words, dice), &noun, case));
        } else {
            text.push_str(&noun.decline(case));
        }
    }

    fn place(&mut self, slot: &str, text: &mut String, dice: &mut Dice) {
        let place = pick(lexicon::PLACES, dice);
        let (plain, wants_trait) = slot.strip_prefix('+').map_or((slot, false), |slot| (slot, true));
        let (short, case) = match plain {
            "in" => (place.into, Case::Prepositional),
            "to" => (place.into, Case::Accusative),
            _ => (place.out, Case::Genitive),
        };
        let words = if wants_trait {
            described(pick(lexicon::PLACE_TRAITS, dice), &place.noun, case)
        } else {
            place.noun.decline(case)
        };
        text.push_str(preposition(short, &words));
        text.push(' ');
        text.push_str(&words);
    }
}

fn described(adjective: &str, noun: &Noun, case: Case) -> String {
    let mut words = agree(adjective, noun.gender(), case, noun.is_animate());
    words.push(' ');
    words.push_str(&noun.decline(case));
    words
}

fn form(forms: &str, gender: Gender) -> &str {
    let place = match gender {
        Gender::Male => 0,
        Gender::Female => 1,
        Gender::Neuter => 2,
    };
    forms.split('|').nth(place).unwrap_or_default()
}

fn case_named(name: &str) -> Case {
    match name {
        "gen" => Case::Genitive,
        "dat" => Case::Dative,
        "acc" => Case::Accusative,
        "ins" => Case::Instrumental,
        "loc" => Case::Prepositional,
        _ => Case::Nominative,
    }
}
