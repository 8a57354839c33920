//! Comments in threads.

use chrono::{DateTime, FixedOffset, TimeDelta};
use entity::comments::Model;

use super::World;
use super::calendar::{minutes, moment, now, opening};
use super::dice::{Dice, Purpose, chance, low_under, row_dice, unit, whole};
use super::shares::id;
use super::subject::{Subject, subject};
use super::{movies, users};
use crate::text::grammar::Gender;
use crate::text::talk::{self, Tone};
use crate::text::template::Scene;

/// Maximum depth of a thread.
pub const DEPTH_MAX: u32 = 6;

/// The percentage of comments that are replies.
const REPLY_PERCENT: u32 = 45;

/// No thread begins in these last days, so that there is time for replies.
const QUIET_DAYS: i64 = 7;

/// The mean time to a reply.
const REPLY_MINUTES: f64 = 600.0;

/// A comment that can get replies.
#[derive(Clone, Copy)]
struct ThreadNode {
    id: i32,
    depth: u32,
    tone: Tone,
    author: Option<u32>,
    created_at: DateTime<FixedOffset>,
}

/// The comments of a subject, parents before their replies.
pub fn of_subject(world: &World, group: u32, emit: &mut dyn FnMut(Model)) {
    let rows = world.comments.of(group);
    if rows.is_empty() {
        return;
    }
    let mut dice = row_dice(world.rng_seed, Purpose::Comments, group);
    let dice = &mut dice;
    let subject = subject(world, group);
    let (film, _) = movies::title(world, subject.movie);
    let origin = movies::traits(world, subject.movie).origin;
    let warmth = whole((subject.quality - 1.8) / 3.0 * 100.0);

    let mut nodes: Vec<ThreadNode> = Vec::with_capacity(rows.len());
    for row in rows {
        let parent = draw_parent(&nodes, dice);
        let created_at = draw_time(&subject, parent.as_ref(), dice);
        let author = draw_author(world, created_at, parent.and_then(|parent| parent.author), dice);
        let speaker = author.map_or(Gender::Male, |author| users::traits(world, author).gender());
        let scene = Scene { film: &film, speaker, origin };
        let (tone, comment) = match &parent {
            Some(parent) => talk::reply(parent.tone, &scene, dice),
            None => talk::comment(subject.topic, warmth, &scene, dice),
        };
        let depth = parent.map_or(1, |parent| parent.depth + 1);
        nodes.push(ThreadNode { id: id(row), depth, tone, author, created_at });
        let is_changed = chance(6, dice);
        emit(Model {
            id: id(row),
            user_id: author.filter(|&author| is_known(world, author, dice)).map(id),
            comment,
            parent_id: parent.map(|parent| parent.id),
            movie_id: subject.movie_id,
            publication_id: subject.publication_id,
            created_at,
            changed_at: is_changed.then(|| moment(created_at, now(), unit(dice).powi(6))),
        });
    }
}

/// A comment to reply to, more likely a late one; `None` to begin a thread.
fn draw_parent(nodes: &[ThreadNode], dice: &mut Dice) -> Option<ThreadNode> {
    if !chance(REPLY_PERCENT, dice) {
        return None;
    }
    let count = u32::try_from(nodes.len()).ok()?;
    let back = low_under(count, 2.5, dice);
    let node = nodes.get((count.checked_sub(1)? - back) as usize)?;
    (node.depth < DEPTH_MAX).then_some(*node)
}

fn draw_time(subject: &Subject, parent: Option<&ThreadNode>, dice: &mut Dice) -> DateTime<FixedOffset> {
    let Some(parent) = parent else {
        // Most comments come while the subject is new or, if it is older than the library, when there are many
        // users.
        let lean = if subject.since.date_naive() == opening() { 0.6 } else { 1.6 };
        return moment(subject.since, now() - TimeDelta::days(QUIET_DAYS), unit(dice).powf(lean));
    };
    let wait = minutes(1.0 - REPLY_MINUTES * (1.0 - unit(dice)).ln());
    let room = (now() - parent.created_at) / 2;
    parent.created_at + wait.min(room)
}

/// A user who was active at the time and does not reply to their own comment; `None` if all drawn users had left.
fn draw_author(world: &World, at: DateTime<FixedOffset>, parent: Option<u32>, dice: &mut Dice) -> Option<u32> {
    let day = at.date_naive();
    (0..12)
        .map(|_| users::draw_user(world, day, dice))
        .find(|&user| Some(user) != parent && users::traits(world, user).last_day() >= day)
}

/// Whether a comment still names its author. Half of the comments of deleted users do not.
fn is_known(world: &World, author: u32, dice: &mut Dice) -> bool {
    users::traits(world, author).left.is_none() || chance(50, dice)
}
