//! The six fixed lists, in Russian.
//!
//! They are the first six steps. Nothing here is random: a row's position in its list, counted from one, is its id.

/// The kind of work that a nomination honours. The award goes to a person who did that work, or to the movie as a
/// whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NominationTarget {
    /// The movie itself, without a person.
    Film,
    /// An actor, of one gender if the nomination says so.
    Actor {
        /// `Some(true)` for actresses only, `Some(false)` for actors only.
        female: Option<bool>,
        /// Whether the role must be a leading one.
        lead: bool,
    },
    /// A person in this position, by its title in [`POSITIONS`].
    Position(&'static str),
}

/// A nomination: its title, one sentence about it, and what it honours.
#[derive(Clone, Copy, Debug)]
pub struct Nomination {
    /// The title.
    pub title: &'static str,
    /// A sentence about it.
    pub description: &'static str,
    /// The work that it honours.
    pub honoured: NominationTarget,
}

/// Tags of movies and publications.
pub const TAGS: [&str; 14] = [
    "Боевик",
    "Комедия",
    "Триллер",
    "Драма",
    "Фантастика",
    "Фэнтези",
    "Ужасы",
    "Документальный",
    "Эротика",
    "Трэш",
    "Мелодрама",
    "Сериал",
    "Шоу",
    "Трагикомедия",
];

/// Categories of publications.
pub const PUBLICATION_CATEGORIES: [&str; 7] = ["Обзор", "Эссе", "Отзыв", "Анонс", "Рецензия", "Статья", "Аналитика"];

/// Film awards: title and one sentence about the award.
pub const FILM_AWARDS: [(&str, &str); 11] = [
    ("Ника", "Российская национальная кинопремия, которую с конца восьмидесятых присуждает киноакадемия."),
    ("Золотой глобус", "Премия зарубежной прессы Голливуда за лучшие фильмы и телесериалы года."),
    ("Оскар", "Главная премия американской киноакадемии, самая известная кинонаграда в мире."),
    ("Каннские львы", "Награды международного фестиваля творчества, который проходит в Каннах."),
    ("Пальмовая ветвь", "Высшая награда Каннского кинофестиваля, вручаемая лучшей картине основного конкурса."),
    ("Сатурн", "Премия за достижения в фантастике, фэнтези и фильмах ужасов."),
    ("Золотой лев", "Главный приз Венецианского кинофестиваля, старейшего в мире."),
    ("Сезар", "Национальная кинопремия Франции, которую вручают в Париже в конце зимы."),
    ("Золотая малина", "Шуточная антипремия за самые сомнительные достижения года в кино."),
    ("Золотой орёл", "Премия национальной академии кинематографических искусств и наук России."),
    ("Asian Film Awards", "Ежегодная премия, которой отмечают лучшие картины стран Азии."),
];

const fn nomination(title: &'static str, description: &'static str, honoured: NominationTarget) -> Nomination {
    Nomination { title, description, honoured }
}

const fn acting(female: bool, lead: bool) -> NominationTarget {
    NominationTarget::Actor { female: Some(female), lead }
}

/// Nominations.
pub const NOMINATIONS: [Nomination; 20] = [
    nomination("Лучший фильм", "Лучшая картина года целиком, без деления на цеха.", NominationTarget::Film),
    nomination("Лучшая режиссура", "За постановку и единство замысла.", NominationTarget::Position("Режиссёр")),
    nomination("Лучшая мужская роль", "За главную мужскую роль в фильме или сериале.", acting(false, true)),
    nomination("Лучшая женская роль", "За главную женскую роль в фильме или сериале.", acting(true, true)),
    nomination(
        "Лучшая мужская роль второго плана",
        "За мужскую роль, без которой не сложился бы ансамбль.",
        acting(false, false),
    ),
    nomination(
        "Лучшая женская роль второго плана",
        "За женскую роль, без которой не сложился бы ансамбль.",
        acting(true, false),
    ),
    nomination(
        "Лучший сценарий",
        "За сценарий, написанный специально для экрана.",
        NominationTarget::Position("Сценарист"),
    ),
    nomination(
        "Лучший адаптированный сценарий",
        "За перенос на экран романа, повести или пьесы.",
        NominationTarget::Position("Сценарист"),
    ),
    nomination(
        "Лучшая операторская работа",
        "За свет, композицию кадра и движение камеры.",
        NominationTarget::Position("Оператор"),
    ),
    nomination("Лучшая музыка", "За оригинальную музыку к картине.", NominationTarget::Position("Композитор")),
    nomination("Лучший монтаж", "За ритм и ясность рассказа.", NominationTarget::Position("Монтажёр")),
    nomination(
        "Лучшая работа художника-постановщика",
        "За мир фильма: декорации, предметы, цвет.",
        NominationTarget::Position("Художник-постановщик"),
    ),
    nomination(
        "Лучший дизайн костюмов",
        "За костюмы, по которым узнают героев и эпоху.",
        NominationTarget::Position("Художник по костюмам"),
    ),
    nomination("Лучший грим", "За грим и причёски.", NominationTarget::Position("Гримёр")),
    nomination("Лучший звук", "За запись, шумы и сведение звука.", NominationTarget::Position("Звукорежиссёр")),
    nomination("Лучшие визуальные эффекты", "За эффекты, в которые веришь.", NominationTarget::Film),
    nomination(
        "Лучший фильм на иностранном языке",
        "За картину, снятую за пределами страны премии.",
        NominationTarget::Film,
    ),
    nomination("Лучший документальный фильм", "За кино о невыдуманных людях и событиях.", NominationTarget::Film),
    nomination(
        "Открытие года",
        "За первую заметную работу на экране.",
        NominationTarget::Actor { female: None, lead: false },
    ),
    nomination("Приз зрительских симпатий", "За картину, которую выбрали сами зрители.", NominationTarget::Film),
];

/// Positions in a production.
pub const POSITIONS: [&str; 16] = [
    "Режиссёр",
    "Актёр",
    "Продюсер",
    "Оператор",
    "Сценарист",
    "Композитор",
    "Монтажёр",
    "Художник-постановщик",
    "Художник по костюмам",
    "Гримёр",
    "Звукорежиссёр",
    "Каскадёр",
    "Второй режиссёр",
    "Хореограф",
    "Актёр дубляжа",
    "Рассказчик",
];

/// Online cinemas: title and address.
pub const ONLINE_CINEMAS: [(&str, &str); 10] = [
    ("Кинопоиск", "https://www.kinopoisk.ru"),
    ("Окко", "https://okko.tv"),
    ("Иви", "https://www.ivi.ru"),
    ("Premier", "https://premier.one"),
    ("Мегого", "https://megogo.net"),
    ("Kion", "https://kion.ru"),
    ("Netflix", "https://www.netflix.com"),
    ("Start", "https://start.ru"),
    ("More.tv", "https://more.tv"),
    ("Amediateka", "https://www.amediateka.ru"),
];

/// The id of a position, from one; `None` for an unknown title.
pub fn position_id(title: &str) -> Option<i32> {
    (1..).zip(POSITIONS).find(|(_, known)| *known == title).map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn titles_are_unique_and_fit_their_columns() {
        let nominations = NOMINATIONS.map(|nomination| nomination.title);
        let awards = FILM_AWARDS.map(|(title, _)| title);
        let cinemas = ONLINE_CINEMAS.map(|(title, _)| title);
        let lists: [(&[&str], usize); 6] = [
            (&TAGS, 56),
            (&PUBLICATION_CATEGORIES, 24),
            (&awards, 128),
            (&nominations, 128),
            (&POSITIONS, 128),
            (&cinemas, 128),
        ];
        for (list, longest) in lists {
            assert_eq!(list.iter().collect::<HashSet<_>>().len(), list.len());
            assert!(list.iter().all(|title| title.chars().count() <= longest));
        }
        let urls: HashSet<_> = ONLINE_CINEMAS.iter().map(|(_, url)| url).collect();
        assert_eq!(urls.len(), ONLINE_CINEMAS.len());
    }

    #[test]
    fn nominations_name_existing_positions() {
        for nomination in NOMINATIONS {
            if let NominationTarget::Position(title) = nomination.honoured {
                assert!(position_id(title).is_some(), "{title}");
            }
        }
    }
}
