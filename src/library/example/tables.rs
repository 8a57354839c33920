//! The tables. A real domain has them from `migration/` and `entity/`.

/// The steps for SQLite.
pub(super) const CREATE: &str = "
CREATE TABLE festivals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL CHECK (length(title) BETWEEN 1 AND 128),
    city TEXT NOT NULL CHECK (length(city) BETWEEN 1 AND 64),
    year INTEGER NOT NULL CHECK (year BETWEEN 1900 AND 2100),
    UNIQUE (title, year)
) STRICT;
CREATE INDEX festivals_title_id_idx ON festivals (title, id);
CREATE INDEX festivals_year_id_idx ON festivals (year, id);
CREATE TABLE screenings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    festival_id INTEGER NOT NULL REFERENCES festivals ON DELETE RESTRICT,
    film TEXT NOT NULL CHECK (length(film) BETWEEN 1 AND 128),
    UNIQUE (festival_id, film)
) STRICT;
CREATE INDEX screenings_festival_id_id_idx ON screenings (festival_id, id);
";

pub(super) mod festivals {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "festivals")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        pub city: String,
        pub year: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod screenings {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "screenings")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub festival_id: i32,
        pub film: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
