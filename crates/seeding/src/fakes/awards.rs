//! Awards: more for well-known movies. An award goes to the member of the staff whose work the nomination honours.

use entity::{awards, movie_staff_m2m};

use super::World;
use super::dice::{Dice, Purpose, chance, pick, row_dice, under};
use super::shares::id;
use super::{movies, persons, staff};
use crate::lists::{FILM_AWARDS, NOMINATIONS, NominationTarget, position_id};
use crate::locale::NameOrigin;

/// Awards for movies of an origin only. Any movie may get the others.
const AT_HOME: [(NameOrigin, &[&str]); 2] =
    [(NameOrigin::Russian, &["Ника", "Золотой орёл"]), (NameOrigin::French, &["Сезар"])];

/// Maximum number of draws for an award that a movie does not have yet.
const DRAWS_MAX: u32 = 200;

/// The awards of a movie.
pub fn of_movie(world: &World, movie: u32) -> Vec<awards::Model> {
    let rows = world.awards.of(movie);
    if rows.is_empty() {
        return Vec::new();
    }
    let mut dice = row_dice(world.rng_seed, Purpose::Awards, movie);
    let dice = &mut dice;
    let origin = movies::traits(world, movie).origin;
    let staff = staff::of_movie(world, movie);
    let mut given: Vec<awards::Model> = Vec::with_capacity(rows.len());
    let mut draws = 0;
    for row in rows {
        while draws < DRAWS_MAX {
            draws += 1;
            let award = draw_award(origin, dice);
            let nomination = under(u32::try_from(NOMINATIONS.len()).unwrap_or_default(), dice);
            let (film_award_id, nomination_id) = (id(award), id(nomination));
            let is_new =
                given.iter().all(|had| (had.film_award_id, had.nomination_id) != (film_award_id, nomination_id));
            let person = honoured(world, NOMINATIONS[nomination as usize].honoured, &staff, dice);
            let Some(person_id) = person.filter(|_| is_new) else { continue };
            given.push(awards::Model { id: id(row), film_award_id, movie_id: id(movie), person_id, nomination_id });
            break;
        }
    }
    given
}

fn draw_award(origin: NameOrigin, dice: &mut Dice) -> u32 {
    loop {
        let award = under(u32::try_from(FILM_AWARDS.len()).unwrap_or_default(), dice);
        let title = FILM_AWARDS[award as usize].0;
        let home = AT_HOME.iter().find(|(_, titles)| titles.contains(&title)).map(|(home, _)| *home);
        if home.map_or(origin != NameOrigin::Russian || chance(35, dice), |home| home == origin) {
            return award;
        }
    }
}

/// The person that a nomination honours: `Some(None)` for the movie itself, `None` if the staff has no such person.
fn honoured(
    world: &World,
    honoured: NominationTarget,
    staff: &[movie_staff_m2m::Model],
    dice: &mut Dice,
) -> Option<Option<i32>> {
    let position = match honoured {
        NominationTarget::Film => return Some(None),
        NominationTarget::Actor { .. } => position_id("Актёр"),
        NominationTarget::Position(title) => position_id(title),
    };
    let candidates: Vec<i32> = staff
        .iter()
        .filter(|member| Some(member.position_id) == position)
        .filter(|member| match honoured {
            NominationTarget::Actor { female, lead } => {
                let person = u32::try_from(member.person_id - 1).unwrap_or_default();
                female.is_none_or(|female| persons::traits(world, person).female == female)
                    && (member.is_lead_role == lead || female.is_none())
            }
            _ => true,
        })
        .map(|member| member.person_id)
        .collect();
    (!candidates.is_empty()).then(|| Some(pick(&candidates, dice)))
}
