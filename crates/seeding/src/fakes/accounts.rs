//! Demo accounts: users that can log in. They come after all other users, and have no comments, orders or ratings.

use chrono::NaiveDate;
use entity::users::Model;

use super::World;
use super::calendar::{day, today, years_before};
use super::shares::id;

/// The password of every demo account.
pub const PASSWORD: &str = "kinoteka-demo";

/// The domain of the demo accounts' e-mail addresses.
pub const EMAIL_ENDING: &str = "@demo.example";

/// The accounts with roles: username and full name.
const NAMED: [(&str, &str); 3] = [
    ("member", "Смотрящев Пётр Ильич"),
    ("editor", "Редакторова Анна Сергеевна"),
    ("admin", "Хранителев Олег Павлович"),
];

/// The demo accounts of a seed.
#[derive(Clone, Debug)]
pub struct DemoAccounts {
    /// The number of members for loads, besides the three accounts with roles.
    pub load_members: u32,
    /// The hash of [`PASSWORD`], computed once.
    pub password_hash: String,
}

/// The usernames in the order of the rows. The first three name their roles.
pub fn usernames(load_members: u32) -> impl Iterator<Item = String> {
    let named = NAMED.iter().map(|(username, _)| (*username).to_owned());
    named.chain((1..=load_members).map(|number| format!("load{number}")))
}

/// The number of demo accounts of a world.
pub fn count(world: &World) -> u32 {
    world.accounts.as_ref().map_or(0, |accounts| accounts.load_members + 3)
}

/// The row of a demo account, counted from zero.
pub fn account(world: &World, account: u32) -> Model {
    let (username, fio) = match NAMED.get(account as usize) {
        Some((username, fio)) => ((*username).to_owned(), (*fio).to_owned()),
        None => (format!("load{}", account - 2), format!("Нагрузкин Тест Номерович {}", account - 2)),
    };
    let joined: NaiveDate = day(2025, 12, 1);
    Model {
        id: id(world.sizes.users + account),
        email: format!("{username}{EMAIL_ENDING}"),
        username,
        password: world.accounts.as_ref().map(|accounts| accounts.password_hash.clone()).unwrap_or_default(),
        fio,
        bio: None,
        created_at: joined,
        deleted_at: None,
        birthday: years_before(today(), 30),
        last_logon: None,
    }
}
