//! The common basis of all rows: the seed, the sizes, the popularity of each movie, and the number of rows of each
//! group.

use rand::seq::SliceRandom;

use super::accounts::DemoAccounts;
use super::dice::{Dice, Purpose, low_under, row_dice, unit, whole};
use super::shares::Shares;
use crate::lists::{FILM_AWARDS, ONLINE_CINEMAS};
use crate::sizes::Sizes;

/// Maximum number of staff entries of a movie: four of the crew, up to twelve actors, and a few other trades.
const STAFF_MAX: u32 = 18;

/// The percentage of movies without comments or orders.
const FORGOTTEN_PERCENT: u32 = 12;

/// The common basis of all rows. It is small: a few numbers for each movie.
#[derive(Clone, Debug)]
pub struct World {
    /// The seed.
    pub rng_seed: u64,
    /// The requested sizes.
    pub sizes: Sizes,
    /// Staff by movie.
    pub staff: Shares,
    /// Awards by movie.
    pub awards: Shares,
    /// Presences at cinemas by movie.
    pub presences: Shares,
    /// Orders by movie.
    pub orders: Shares,
    /// Comments by subject: movies first, then publications.
    pub comments: Shares,
    /// Ratings by subject: movies first, then publications.
    pub ratings: Shares,
    /// The demo accounts, if there are any.
    pub accounts: Option<DemoAccounts>,
    ranks: Vec<u32>,
    by_rank: Vec<u32>,
}

impl World {
    /// Lays out a world. The same seed and sizes give the same world.
    pub fn new(rng_seed: u64, sizes: Sizes) -> Self {
        let mut ranks: Vec<u32> = (0..sizes.movies).collect();
        ranks.shuffle(&mut row_dice(rng_seed, Purpose::Fame, 0));
        let mut by_rank = vec![0; ranks.len()];
        for (movie, &rank) in (0u32..).zip(&ranks) {
            by_rank[rank as usize] = movie;
        }
        let dealer = Dealer { rng_seed, sizes, ranks: &ranks };

        let staff = dealer.deal_staff();
        let awards = dealer.by_movie(sizes.awards, 1, 1.0, |_| whole_list(FILM_AWARDS.len()) * 2);
        let presences = dealer.by_movie(sizes.presences, 2, 0.25, |_| whole_list(ONLINE_CINEMAS.len()));
        let users = sizes.users;
        // A buyer rarely orders a movie at two cinemas.
        let orders = dealer.by_movie(sizes.orders, 3, 0.8, |movie| users.min(users / 3 * presences.count(movie)));
        let comments = dealer.by_subject(sizes.comments, 60, 4, |_| u32::MAX);
        let ratings = dealer.by_subject(sizes.ratings, 85, 5, |_| users * 4 / 5);
        let accounts = None;
        Self { rng_seed, sizes, staff, awards, presences, orders, comments, ratings, accounts, ranks, by_rank }
    }

    /// Refuses numbers that are too large for the others, with the largest possible ones. If rows are left over,
    /// every group is full.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn check(&self) -> Result<(), String> {
        let Sizes { staff, awards, presences, orders, comments, ratings, .. } = self.sizes;
        let all = [
            ("staff", staff, &self.staff, "--movies"),
            ("awards", awards, &self.awards, "--movies"),
            ("presences", presences, &self.presences, "--movies"),
            ("orders", orders, &self.orders, "--presences and --users"),
            ("comments", comments, &self.comments, "--movies"),
            ("ratings", ratings, &self.ratings, "--movies, --publications and --users"),
        ];
        let too_large = all.into_iter().filter(|(_, requested, dealt, _)| dealt.total() < *requested);
        let too_large: Vec<_> = too_large
            .map(|(name, requested, dealt, others)| {
                format!("--{name} {requested} is too large; with these {others} the maximum is {}", dealt.total())
            })
            .collect();
        if too_large.is_empty() { Ok(()) } else { Err(too_large.join(". ")) }
    }

    /// Lowers the numbers of `sizes` that the user did not name to what fits. Of the two bounds of sentences, the
    /// one that was not named is changed.
    #[must_use]
    pub fn lower(rng_seed: u64, mut sizes: Sizes, named: &[&str]) -> Sizes {
        let is_free = |name: &str| !named.contains(&name);
        let lower = |name: &str, number: &mut u32, room: u32| {
            if is_free(name) {
                *number = room.min(*number);
            }
        };
        let any_of = |there: u32| if there == 0 { 0 } else { u32::MAX };
        lower("staff", &mut sizes.staff, any_of(sizes.movies.min(sizes.persons)));
        lower("awards", &mut sizes.awards, any_of(sizes.movies.min(sizes.staff)));
        lower("presences", &mut sizes.presences, any_of(sizes.movies));
        lower("orders", &mut sizes.orders, any_of(sizes.presences.min(sizes.users)));
        lower("publications", &mut sizes.publications, any_of(sizes.movies.min(sizes.users)));
        let written = any_of(sizes.users.min(sizes.movies.saturating_add(sizes.publications)));
        lower("comments", &mut sizes.comments, written);
        lower("ratings", &mut sizes.ratings, written);
        if is_free("sentences-min") {
            sizes.sentences_min = sizes.sentences_min.min(sizes.sentences_max);
        } else if is_free("sentences-max") {
            sizes.sentences_max = sizes.sentences_max.max(sizes.sentences_min);
        }
        // If rows are left over, every group is full.
        let Self { staff, awards, presences, orders, comments, ratings, .. } = Self::new(rng_seed, sizes);
        for (name, number, dealt) in [
            ("staff", &mut sizes.staff, staff),
            ("awards", &mut sizes.awards, awards),
            ("presences", &mut sizes.presences, presences),
            ("orders", &mut sizes.orders, orders),
            ("comments", &mut sizes.comments, comments),
            ("ratings", &mut sizes.ratings, ratings),
        ] {
            lower(name, number, dealt.total());
        }
        sizes
    }

    /// A movie's rank by popularity, in percent; 0 is the most popular.
    pub fn rank_percent(&self, movie: u32) -> u32 {
        whole(f64::from(self.ranks[movie as usize]) * 100.0 / f64::from(self.sizes.movies.max(1)))
    }

    /// A movie, more often a popular one.
    pub fn draw_movie(&self, dice: &mut Dice) -> u32 {
        let rank = low_under(self.sizes.movies, 2.5, dice);
        self.by_rank.get(rank as usize).copied().unwrap_or_default()
    }
}

fn whole_list(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

struct Dealer<'a> {
    rng_seed: u64,
    sizes: Sizes,
    ranks: &'a [u32],
}

impl Dealer<'_> {
    /// Nearly every movie has staff. Popular ones have more.
    fn deal_staff(&self) -> Shares {
        let mut dice = row_dice(self.rng_seed, Purpose::Shares, 0);
        let movies = self.sizes.movies.max(1);
        let nameless = movies - movies / 50;
        let floor = (self.sizes.staff / movies).min(7);
        let weights: Vec<f64> = self
            .ranks
            .iter()
            .map(
                |&rank| {
                    if rank >= nameless { 0.0 } else { 1.6 - f64::from(rank) / f64::from(movies) + unit(&mut dice) }
                },
            )
            .collect();
        let manned = u32::try_from(weights.iter().filter(|weight| **weight > 0.0).count()).unwrap_or_default();
        let more = Shares::deal(self.sizes.staff.saturating_sub(floor * manned), &weights, |_| STAFF_MAX - floor);
        let counts: Vec<u32> = (0u32..)
            .zip(&weights)
            .map(|(movie, &weight)| if weight > 0.0 { floor + more.count(movie) } else { 0 })
            .collect();
        Shares::from_counts(&counts)
    }

    fn by_movie(&self, total: u32, row: u32, skew: f64, most: impl Fn(u32) -> u32) -> Shares {
        let weights = self.movie_weights(row, skew);
        Shares::deal(total, &weights, |movie| u32::try_from(movie).map_or(0, &most))
    }

    /// Gives movies a percentage of the rows, and publications the rest.
    fn by_subject(&self, total: u32, movies_percent: u32, row: u32, most: impl Fn(usize) -> u32) -> Shares {
        let to_movies = u64::from(total) * u64::from(movies_percent) / 100;
        let to_movies = u32::try_from(to_movies).unwrap_or(total);
        let deal_to_movies = |total| Shares::deal(total, &self.movie_weights(row, 0.8), &most);
        let movies = deal_to_movies(to_movies);
        let mut dice = row_dice(self.rng_seed, Purpose::Shares, row + 100);
        // The success of a publication: a tenth gets no attention, a few get a lot.
        let weights: Vec<f64> = (0..self.sizes.publications)
            .map(|_| unit(&mut dice))
            .map(|luck| if luck < 0.1 { 0.0 } else { 1.0 / (1.05 - luck).powf(0.9) })
            .collect();
        let publications = Shares::deal(total - movies.total(), &weights, &most);
        // Movies take the rows that do not fit publications.
        let left = total - movies.total() - publications.total();
        let movies = if left > 0 { deal_to_movies(total - publications.total()) } else { movies };
        let counts: Vec<u32> = (0..movies.groups())
            .map(|movie| movies.count(movie))
            .chain((0..publications.groups()).map(|publication| publications.count(publication)))
            .collect();
        Shares::from_counts(&counts)
    }

    /// Zipf-like weights by rank, with random factors. The last ranks have none.
    fn movie_weights(&self, row: u32, skew: f64) -> Vec<f64> {
        let mut dice = row_dice(self.rng_seed, Purpose::Shares, row);
        let known = self.sizes.movies - self.sizes.movies * FORGOTTEN_PERCENT / 100;
        self.ranks
            .iter()
            .map(|&rank| (rank, 0.6 + 0.8 * unit(&mut dice)))
            .map(|(rank, luck)| if rank >= known { 0.0 } else { luck / f64::from(rank + 3).powf(skew) })
            .collect()
    }
}
