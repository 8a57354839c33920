//! What users do: the eleven actions of the original's load, as pure functions of the seed.
//!
//! A script decides everything that does not depend on a server: the action, its time, its words, and the draw that
//! picks its object among those of the server. It does not use HTTP: `seeder load` does what the script says.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use seeding::fakes::dice::{Dice, Purpose, between, chance, row_dice, under, unit, whole};
use seeding::fakes::movies::draw_tags;
use seeding::names::{NameOrigin, given_name, patronymic, surname};
use seeding::text::grammar::Gender;
use seeding::text::talk::{self, TalkTopic, Tone};
use seeding::text::template::Scene;
use seeding::text::{article, bio};

/// The percentage of comments that are replies.
const REPLY_PERCENT: u32 = 25;

/// A placeholder for the title of the movie, which only the server knows.
pub const TITLE: &str = "{title}";

/// One of the eleven actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    CreateUser,
    DeleteUser,
    CreatePublication,
    UpdatePublication,
    DeletePublication,
    CommentMovie,
    CommentPublication,
    ChangePresences,
    OrderMovie,
    RateMovie,
    RatePublication,
}

impl Action {
    /// All actions, in the order of the original.
    pub const ALL: [Self; 11] = [
        Self::CreateUser,
        Self::DeleteUser,
        Self::CreatePublication,
        Self::UpdatePublication,
        Self::DeletePublication,
        Self::CommentMovie,
        Self::CommentPublication,
        Self::ChangePresences,
        Self::OrderMovie,
        Self::RateMovie,
        Self::RatePublication,
    ];

    /// The name in reports and in `--mix`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateUser => "create-user",
            Self::DeleteUser => "delete-user",
            Self::CreatePublication => "create-publication",
            Self::UpdatePublication => "update-publication",
            Self::DeletePublication => "delete-publication",
            Self::CommentMovie => "comment-movie",
            Self::CommentPublication => "comment-publication",
            Self::ChangePresences => "change-presences",
            Self::OrderMovie => "order-movie",
            Self::RateMovie => "rate-movie",
            Self::RatePublication => "rate-publication",
        }
    }

    /// The shortest and longest pause of one worker before an action, in milliseconds.
    const fn pause_ms(self) -> (u32, u32) {
        match self {
            Self::CreateUser | Self::CreatePublication => (1_000, 4_000),
            Self::DeleteUser | Self::DeletePublication => (1_000, 9_000),
            Self::UpdatePublication => (1_000, 2_000),
            Self::CommentMovie | Self::RateMovie | Self::RatePublication => (40, 180),
            Self::CommentPublication => (20, 90),
            Self::ChangePresences => (3_000, 6_000),
            Self::OrderMovie => (50, 500),
        }
    }

    /// How often one worker of the original does the action, per second.
    fn frequency(self) -> f64 {
        let (shortest, longest) = self.pause_ms();
        2_000.0 / f64::from(shortest + longest)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Weights of the actions, as multiples of the original's frequencies.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix([f64; 11]);

impl Default for Mix {
    fn default() -> Self {
        Self([1.0; 11])
    }
}

impl FromStr for Mix {
    type Err = String;

    /// Reads `comment-movie=3,rate-movie=0.5`. Other actions are omitted.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut weights = [0.0; 11];
        for part in text.split(',') {
            let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
            let index = Action::ALL.iter().position(|action| action.name() == name.trim()).ok_or_else(|| {
                let names: Vec<_> = Action::ALL.iter().map(|action| action.name()).collect();
                format!("{name:?} is not an action; use one of {}", names.join(", "))
            })?;
            weights[index] = weight
                .trim()
                .parse()
                .ok()
                .filter(|weight: &f64| weight.is_finite() && *weight >= 0.0)
                .ok_or_else(|| format!("the weight of {name} is {weight:?}: it must be a number, 0 or more"))?;
        }
        if weights.iter().all(|weight| *weight == 0.0) {
            return Err("every weight is 0: at least one action needs a higher weight".to_owned());
        }
        Ok(Self(weights))
    }
}

impl Mix {
    /// The weight of an action.
    pub fn weight(&self, action: Action) -> f64 {
        self.0[action as usize]
    }
}

/// A random number that picks one of the server's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw(u32);

impl Draw {
    /// A number below `end`, more often a small one; zero when `end` is zero.
    pub fn early_index(self, end: usize) -> usize {
        let share = (f64::from(self.0) / f64::from(u32::MAX)).powi(2);
        let index = whole(share * f64::from(u32::try_from(end).unwrap_or(u32::MAX)));
        (index as usize).min(end.saturating_sub(1))
    }

    /// One of the items, more often an early one; `None` if there are none.
    pub fn early<T>(self, items: &[T]) -> Option<&T> {
        items.get(self.early_index(items.len()))
    }

    /// A number below `end`; zero when `end` is zero.
    pub fn below(self, end: usize) -> usize {
        self.0 as usize % end.max(1)
    }

    /// One of the items with equal probability; `None` if there are none.
    pub fn any<T>(self, items: &[T]) -> Option<&T> {
        items.get(self.below(items.len()))
    }

    /// The same, for owned items.
    pub fn take<T>(self, items: Vec<T>) -> Option<T> {
        let index = self.below(items.len());
        items.into_iter().nth(index)
    }
}

/// The content of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    User { full_name: String, birth_year: u32, bio: String },
    Publication { title: String, text: String, tags: Vec<&'static str>, category: Draw },
    Text(String),
    Comment { text: String, reply: Option<String> },
    Presences { remove: u32, offers: Vec<Offer> },
    Rating(u32),
    Nothing,
}

/// A presence to add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Picks the movie.
    pub movie: Draw,
    /// Picks the cinema.
    pub cinema: Draw,
    /// Roubles.
    pub price: u32,
    /// The rating, one to five.
    pub rating: u32,
    /// The percentage of the discount.
    pub discount: u32,
}

/// One step of a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadStep {
    /// The action.
    pub action: Action,
    /// The pause before it.
    pub pause: Duration,
    /// Picks the member.
    pub member: Draw,
    /// Picks the object.
    pub object: Draw,
    /// The content.
    pub content: Content,
}

/// An endless sequence of steps, the same for the same seed.
pub struct LoadScript {
    dice: Dice,
    course: Course,
}

enum Course {
    /// One action. Its pauses are divided by its weight.
    Paced(Action, f64),
    /// Actions by their frequencies, and their total rate per second.
    Mixed(Vec<(f64, Action)>, f64),
}

impl LoadScript {
    /// One action of one worker, with the original's pauses.
    pub fn paced(rng_seed: u64, worker: u32, action: Action, mix: &Mix) -> Self {
        let dice = row_dice(rng_seed, Purpose::Script, worker * 16 + action as u32);
        Self { dice, course: Course::Paced(action, mix.weight(action)) }
    }

    /// All actions mixed at a total rate per second. Their times do not depend on each other.
    pub fn mixed(rng_seed: u64, mix: &Mix, rate: f64) -> Self {
        let mut sum = 0.0;
        let shares = Action::ALL.map(|action| {
            sum += mix.weight(action) * action.frequency();
            (sum, action)
        });
        Self { dice: row_dice(rng_seed, Purpose::Script, u32::MAX), course: Course::Mixed(shares.to_vec(), rate) }
    }
}

impl Iterator for LoadScript {
    type Item = LoadStep;

    fn next(&mut self) -> Option<LoadStep> {
        let dice = &mut self.dice;
        let (action, pause) = match &self.course {
            Course::Paced(action, weight) => {
                let (shortest, longest) = action.pause_ms();
                (*action, f64::from(between(shortest, longest, dice)) / 1_000.0 / weight)
            }
            Course::Mixed(shares, rate) => {
                let drawn = unit(dice) * shares.last().map_or(0.0, |(sum, _)| *sum);
                let (_, action) = shares.iter().find(|(sum, _)| drawn < *sum)?;
                // Pauses between independent events: short ones often, long ones rarely.
                (*action, -(1.0 - unit(dice)).ln() / rate)
            }
        };
        let pause = Duration::try_from_secs_f64(pause).unwrap_or(Duration::MAX);
        let (member, object) = (draw(dice), draw(dice));
        Some(LoadStep { action, pause, member, object, content: content(action, dice) })
    }
}

fn draw(dice: &mut Dice) -> Draw {
    Draw(under(u32::MAX, dice))
}

fn content(action: Action, dice: &mut Dice) -> Content {
    let female = chance(50, dice);
    let speaker = if female { Gender::Female } else { Gender::Male };
    let scene = Scene { film: TITLE, speaker, origin: NameOrigin::Russian };
    match action {
        Action::CreateUser => {
            let (last, first) =
                (surname(NameOrigin::Russian, female, dice), given_name(NameOrigin::Russian, female, dice));
            let full_name = format!("{last} {first} {}", patronymic(female, dice));
            Content::User { full_name, birth_year: between(1966, 2006, dice), bio: bio::user_bio(&scene, dice) }
        }
        Action::CreatePublication => Content::Publication {
            title: article::title(&scene, dice),
            text: article::article(between(10, 40, dice), &scene, dice),
            tags: draw_tags(dice),
            category: draw(dice),
        },
        Action::UpdatePublication => Content::Text(article::article(between(10, 40, dice), &scene, dice)),
        Action::CommentMovie => comment(TalkTopic::Film, &scene, dice),
        Action::CommentPublication => comment(TalkTopic::Publication, &scene, dice),
        Action::ChangePresences => {
            let offers = (0..between(2, 4, dice)).map(|_| Offer {
                movie: draw(dice),
                cinema: draw(dice),
                price: 50 * between(2, 9, dice),
                rating: between(1, 5, dice),
                discount: 5 * between(2, 10, dice),
            });
            let offers = offers.collect();
            Content::Presences { remove: between(2, 4, dice), offers }
        }
        Action::RateMovie | Action::RatePublication => Content::Rating(between(1, 5, dice)),
        Action::DeleteUser | Action::DeletePublication | Action::OrderMovie => Content::Nothing,
    }
}

fn comment(topic: TalkTopic, scene: &Scene<'_>, dice: &mut Dice) -> Content {
    let (_, text) = talk::comment(topic, 60, scene, dice);
    let reply = chance(REPLY_PERCENT, dice).then(|| talk::reply(Tone::Remark, scene, dice).1);
    Content::Comment { text, reply }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_steps() {
        for action in Action::ALL {
            let steps =
                |seed, worker| LoadScript::paced(seed, worker, action, &Mix::default()).take(20).collect::<Vec<_>>();
            assert_eq!(steps(1, 0), steps(1, 0));
            assert_ne!(steps(1, 0), steps(2, 0));
            assert_ne!(steps(1, 0), steps(1, 1));
        }
        let mixed = |seed| LoadScript::mixed(seed, &Mix::default(), 50.0).take(200).collect::<Vec<_>>();
        assert_eq!(mixed(1), mixed(1));
        assert_ne!(mixed(1), mixed(2));
    }

    #[test]
    fn pauses_are_those_of_the_original() {
        for action in Action::ALL {
            let (shortest, longest) = action.pause_ms();
            for step in LoadScript::paced(1, 0, action, &Mix::default()).take(100) {
                let pause = step.pause.as_millis();
                assert!((u128::from(shortest)..=u128::from(longest)).contains(&pause), "{action}: {pause} ms");
            }
        }
        let mix: Mix = "rate-movie=10".parse().unwrap();
        assert!(LoadScript::paced(1, 0, Action::RateMovie, &mix).take(100).all(|step| step.pause.as_millis() <= 18));
    }

    #[test]
    fn a_quarter_of_comments_are_replies() {
        let steps = LoadScript::paced(1, 0, Action::CommentMovie, &Mix::default()).take(2_000);
        let replies = steps.filter(|step| matches!(step.content, Content::Comment { reply: Some(_), .. })).count();
        assert!((440..560).contains(&replies), "{replies}");
    }

    #[test]
    fn a_mix_keeps_to_its_rate_and_weights() {
        let mix: Mix = "comment-movie=1, rate-movie=3".parse().unwrap();
        let steps: Vec<_> = LoadScript::mixed(1, &mix, 100.0).take(10_000).collect();
        let seconds: f64 = steps.iter().map(|step| step.pause.as_secs_f64()).sum();
        assert!((90.0..110.0).contains(&seconds), "{seconds}");
        let comments = steps.iter().filter(|step| step.action == Action::CommentMovie).count();
        assert!((2_300..2_700).contains(&comments), "{comments}");
        assert!(steps.iter().all(|step| matches!(step.action, Action::CommentMovie | Action::RateMovie)));
    }

    #[test]
    fn empty_mixes_are_refused() {
        for text in ["", "dance=1", "rate-movie=0", "rate-movie=-1", "rate-movie=x", "rate-movie=inf"] {
            assert!(text.parse::<Mix>().is_err(), "{text}");
        }
        assert_eq!("rate-movie".parse::<Mix>().unwrap().weight(Action::RateMovie), 1.0);
    }

    #[test]
    fn draws_pick_existing_objects() {
        let none: [u8; 0] = [];
        assert_eq!((Draw(7).any(&none), Draw(7).early(&none)), (None, None));
        assert_eq!((Draw(7).any(&[1, 2, 3]), Draw(u32::MAX).early(&[1, 2, 3])), (Some(&2), Some(&3)));
        assert_eq!((Draw(0).early(&[1, 2, 3]), Draw(u32::MAX).early_index(0)), (Some(&1), 0));
        assert_eq!((Draw(7).take(vec![1, 2, 3]), Draw(7).take(none.to_vec())), (Some(2), None));
    }
}
