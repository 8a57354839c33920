//! Russian data for `fake`, which has no such locale, and names of people.
//!
//! Every constant of `fake::locales::Data` has an English default, which is used silently if the constant is not set
//! here. A test uses each. Russian names need gender agreement, which `fake` does not support, so they are in the
//! lists of `names`.

use fake::locales::Data;

pub use crate::names::{CASE_SURNAMES, NameOrigin, given_name, patronymic, surname};

/// The locale: pass it to `fake::faker::*::raw`.
///
/// Only countries, mail domains, professions, and industries are set.
#[derive(Clone, Copy, Debug)]
#[expect(non_camel_case_types, reason = "named as fake names its locales")]
pub struct RU_RU;

impl Data for RU_RU {
    #[rustfmt::skip]
    const ADDRESS_COUNTRY: &'static [&'static str] = &[
        "Россия", "Беларусь", "Казахстан", "Армения", "Грузия", "Узбекистан", "Киргизия", "Молдавия", "Латвия",
        "Литва", "Эстония", "Польша", "Чехия", "Венгрия", "Болгария", "Сербия", "Германия", "Австрия", "Италия",
        "Португалия", "Греция", "Турция", "Израиль", "Финляндия", "Швеция", "Норвегия", "Дания", "Нидерланды",
        "Румыния", "Индия", "Китай", "Япония", "Республика Корея", "Иран", "Египет", "Марокко", "Бразилия", "Куба",
        "Монголия", "Вьетнам",
    ];

    const INTERNET_FREE_EMAIL_PROVIDER: &'static [&'static str] =
        &["gmail.com", "mail.ru", "yandex.ru", "rambler.ru", "bk.ru", "list.ru", "inbox.ru"];

    #[rustfmt::skip]
    const COMPANY_PROFESSION: &'static [&'static str] = &[
        "инженер", "врач", "учитель", "юрист", "архитектор", "программист", "бухгалтер", "дизайнер", "экономист",
        "переводчик", "редактор", "химик", "биолог", "историк", "искусствовед", "психолог", "логист", "аналитик",
        "фармацевт", "повар", "машинист", "геодезист", "фотограф", "библиотекарь", "социолог", "журналист",
    ];

    #[rustfmt::skip]
    const COMPANY_INDUSTRY: &'static [&'static str] = &[
        "образование", "медицина", "строительство", "торговля", "связь", "энергетика", "книгоиздание", "транспорт",
        "сельское хозяйство", "машиностроение", "туризм", "реклама", "музейное дело", "театр", "банковское дело",
        "наука",
    ];
}

/// Cities as they follow «живу»: with a preposition, in the prepositional case.
#[rustfmt::skip]
pub const CITIES: &[&str] = &[
    "в Москве", "в Санкт-Петербурге", "в Новосибирске", "в Екатеринбурге", "в Казани", "в Нижнем Новгороде",
    "в Самаре", "в Омске", "в Ростове-на-Дону", "в Уфе", "в Красноярске", "в Воронеже", "в Перми", "в Волгограде",
    "в Краснодаре", "в Саратове", "в Тюмени", "в Ижевске", "в Иркутске", "во Владивостоке", "в Ярославле",
    "в Хабаровске", "в Томске", "в Кемерове", "в Рязани", "в Твери", "в Туле", "в Калининграде", "в Пскове",
    "в Архангельске", "в Вологде", "в Орле", "во Владимире", "в Суздале", "в Петрозаводске", "в Мурманске", "в Сочи",
    "в Астрахани", "в Смоленске", "в Костроме",
];

/// Transliterates Russian letters to lower-case ASCII, and drops everything else.
pub fn transliterate(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).map(latin).collect()
}

fn latin(letter: char) -> &'static str {
    match letter {
        'а' => "a",
        'б' => "b",
        'в' => "v",
        'г' => "g",
        'д' => "d",
        'е' | 'э' => "e",
        'ё' => "yo",
        'ж' => "zh",
        'з' => "z",
        'и' => "i",
        'й' | 'ы' => "y",
        'к' => "k",
        'л' => "l",
        'м' => "m",
        'н' => "n",
        'о' => "o",
        'п' => "p",
        'р' => "r",
        'с' => "s",
        'т' => "t",
        'у' => "u",
        'ф' => "f",
        'х' => "kh",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "shch",
        'ю' => "yu",
        'я' => "ya",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use fake::Fake;
    use fake::faker::{address, company, internet};

    use super::*;
    use crate::fakes::dice::{Purpose, row_dice};

    fn has_latin(text: &str) -> bool {
        text.chars().any(|letter| letter.is_ascii_alphabetic())
    }

    #[test]
    fn constants_in_use_do_not_fall_back_to_english() {
        for index in 0..500 {
            let mut dice = row_dice(1, Purpose::Users, index);
            let drawn: [&str; 3] = [
                address::raw::CountryName(RU_RU).fake_with_rng(&mut dice),
                company::raw::Profession(RU_RU).fake_with_rng(&mut dice),
                company::raw::Industry(RU_RU).fake_with_rng(&mut dice),
            ];
            assert!(drawn.iter().all(|text| !has_latin(text)), "{drawn:?}");
            let domain: &str = internet::raw::FreeEmailProvider(RU_RU).fake_with_rng(&mut dice);
            assert!(RU_RU::INTERNET_FREE_EMAIL_PROVIDER.contains(&domain));
        }
        assert!(CITIES.iter().all(|city| !has_latin(city)));
    }

    #[test]
    fn transliteration_is_ascii() {
        assert_eq!(transliterate("Щёголева-Объезжая"), "shchyogolevaobezzhaya");
    }
}
