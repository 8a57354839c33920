//! Windows of a list with NULLs and ties in its first key. The statements of both databases are compared with rows that
//! are sorted and cut in memory. SQLite executes both; the API's tests run on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use migration::connect::pool_options;
use sea_orm::{ConnectionTrait, DatabaseConnection, SqlxSqliteConnector};
use smallvec::smallvec;

use super::*;

mod films {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "films")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub year: Option<i32>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum FilmOrder {
    Year,
    YearDesc,
}

impl PageOrder for FilmOrder {
    type Entity = films::Entity;

    fn tag(self) -> &'static str {
        match self {
            Self::Year => "YEAR",
            Self::YearDesc => "YEAR_DESC",
        }
    }

    fn keys(self) -> Vec<SortKey> {
        [films::Column::Year, films::Column::Id].map(SortKey::column).into()
    }
}

/// A film's year and id.
type Film = (Option<i32>, i32);

const FILMS: [Film; 7] =
    [(Some(1979), 1), (None, 2), (Some(1972), 3), (Some(1979), 4), (None, 5), (Some(1979), 6), (None, 7)];

/// Positions of deleted films: before all, within ties, between the zones, among NULLs and after all.
const GONE: [Film; 5] = [(Some(1900), 9), (Some(1979), 5), (Some(2020), 1), (None, 3), (None, 9)];

async fn library() -> DatabaseConnection {
    let pool = pool_options().max_connections(1).connect("sqlite::memory:").await.unwrap();
    let db = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
    db.execute_unprepared("CREATE TABLE films (id INTEGER PRIMARY KEY, year INTEGER)").await.unwrap();
    for (year, id) in FILMS {
        let year = year.map_or("NULL".to_owned(), |year| year.to_string());
        db.execute_unprepared(&format!("INSERT INTO films VALUES ({id}, {year})")).await.unwrap();
    }
    db
}

fn keys((year, id): Film) -> Keys {
    smallvec![year.map_or(KeyPart::Null, |year| KeyPart::Int(year.into())), KeyPart::Int(id.into())]
}

/// A film's position: NULLs are last in both directions.
fn place(order: FilmOrder, (year, id): Film) -> (bool, i32, i32) {
    let (is_null, year) = (year.is_none(), year.unwrap_or_default());
    match order {
        FilmOrder::Year => (is_null, year, id),
        FilmOrder::YearDesc => (is_null, -year, -id),
    }
}

/// The ids of a page with one extra row, in reading order.
fn expected(order: FilmOrder, size: usize, backward: bool, after: Option<Film>, before: Option<Film>) -> Vec<i32> {
    let mut films: Vec<_> = FILMS.map(|film| (place(order, film), film.1)).into();
    films.sort_unstable();
    films.retain(|(at, _)| {
        after.is_none_or(|after| *at > place(order, after)) && before.is_none_or(|before| *at < place(order, before))
    });
    if backward {
        films.reverse();
    }
    films.into_iter().take(size + 1).map(|(_, id)| id).collect()
}

fn window(size: u32, backward: bool, after: Option<Film>, before: Option<Film>) -> Window {
    Window { size, backward, is_sized: true, after: after.map(keys), before: before.map(keys) }
}

#[tokio::test]
async fn windows_end_at_their_cursors() {
    let db = library().await;
    let places: Vec<_> = [None].into_iter().chain(FILMS.into_iter().chain(GONE).map(Some)).collect();
    for order in [FilmOrder::Year, FilmOrder::YearDesc] {
        for (backend, backward, size) in [DbBackend::Sqlite, DbBackend::Postgres]
            .into_iter()
            .flat_map(|backend| [(backend, false, 1), (backend, false, 20), (backend, true, 1), (backend, true, 20)])
        {
            for (after, before) in places.iter().flat_map(|after| places.iter().map(move |before| (*after, *before))) {
                let plan = PagePlan::new(order, &window(size, backward, after, before), backend);
                let mut base = Query::select().column(films::Column::Id).from(films::Entity).take();
                plan.add_keys(&mut base);
                let read = match plan.bound(&base) {
                    Some(statement) => db.query_all(&statement).await.unwrap(),
                    None => Vec::new(),
                };
                let ids: Vec<i32> = read.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
                let expected = expected(order, size as usize, backward, after, before);
                assert_eq!(ids, expected, "{order:?}, {backend:?}, {size} of {after:?} to {before:?}, {backward}");
            }
        }
    }
}

#[test]
fn zones_without_rows_of_the_window_are_not_read() {
    let (value, null) = (Some((Some(1979), 4)), Some((None, 5)));
    for (backward, after, before, on_postgres, on_sqlite) in [
        (false, None, None, 2, 2),
        (true, None, None, 2, 2),
        // SQLite reads the ties of the near bound in a separate branch.
        (false, value, None, 2, 3),
        (true, None, value, 1, 2),
        (false, null, None, 1, 1),
        (true, None, null, 2, 2),
        (false, None, value, 1, 1),
        (true, value, None, 2, 2),
        (false, null, value, 0, 0),
        (true, null, value, 0, 0),
        (false, value, null, 2, 3),
    ] {
        for (backend, branches) in [(DbBackend::Postgres, on_postgres), (DbBackend::Sqlite, on_sqlite)] {
            let plan = PagePlan::new(FilmOrder::Year, &window(2, backward, after, before), backend);
            let what = format!("{backend:?}, {after:?} to {before:?}, {backward}");
            assert_eq!((plan.branches.len(), plan.is_empty()), (branches, branches == 0), "{what}");
        }
    }
}
