//! The words of sentences, by class.

use super::grammar::{Noun, man, thing, woman};

/// A place with its prepositions: `в городе`, `на острове`.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The place's name.
    pub noun: Noun,
    /// `в` or `на`.
    pub into: &'static str,
    /// `из` or `с`.
    pub out: &'static str,
}

const fn inside(noun: Noun) -> Place {
    Place { noun, into: "в", out: "из" }
}

const fn upon(noun: Noun) -> Place {
    Place { noun, into: "на", out: "с" }
}

/// Heroes of plots.
#[rustfmt::skip]
pub const HEROES: &[Noun] = &[
    man("врач").stressed(), man("следователь"), man("учитель"), man("журналист"), man("музыкант"), man("капитан"),
    man("художник"), man("инженер"), man("архитектор"), man("солдат"), man("почтальон"), man("лётчик"),
    man("таксист"), man("писатель"), man("фотограф"), man("часовщик").stressed(), man("адвокат"), man("хирург"),
    man("студент"), man("рыбак").stressed(), man("сторож"), man("боксёр"), man("актёр"), man("шахматист"),
    man("геолог"), man("программист"), man("мошенник"), man("путешественник"), man("аптекарь"), man("дирижёр"),
    man("подросток").stem("подростк"), man("вдовец").stem("вдовц").stressed(), man("беглец").stressed(),
    man("полярник"), man("библиотекарь"), woman("актриса"), woman("певица"), woman("учительница"),
    woman("переводчица"), woman("медсестра"), woman("художница"), woman("журналистка"), woman("студентка"),
    woman("танцовщица"), woman("вдова"), woman("гимнастка"), woman("реставраторша"), woman("официантка"),
    woman("сыщица"), woman("скрипачка"), woman("школьница"), woman("проводница"), woman("портниха"),
    woman("писательница"), woman("спортсменка"), woman("незнакомка"), woman("наследница"), woman("балерина"),
    woman("мечтательница"),
];

/// Traits of heroes.
#[rustfmt::skip]
pub const HERO_TRAITS: &[&str] = &[
    "молодой", "пожилой", "одинокий", "бывший", "знаменитый", "скромный", "упрямый", "разочарованный", "честный",
    "провинциальный", "столичный", "неудачливый", "талантливый", "замкнутый", "отчаянный", "наивный", "известный",
    "строгий", "обаятельный", "усталый", "гордый", "весёлый", "мудрый", "рассеянный", "опытный", "безработный",
    "влюблённый", "загадочный", "самоуверенный", "тихий", "решительный", "начинающий",
];

/// People around the hero.
#[rustfmt::skip]
pub const OTHERS: &[Noun] = &[
    man("сосед"), man("брат"), man("наставник"), man("соперник"), man("друг"), man("начальник"), man("попутчик"),
    man("свидетель"), man("незнакомец").stem("незнакомц"), 
    man("жених").stressed(), man("напарник"), man("однокурсник"), man("двойник").stressed(),
    man("кредитор"), man("ученик").stressed(), woman("сестра"), woman("соседка"), woman("подруга"),
    woman("соперница"), woman("невеста"), woman("попутчица"), woman("одноклассница"), woman("тётка"),
    woman("ученица"), woman("незнакомка"), woman("коллега"), woman("помощница"),
];

/// Traits of these people.
#[rustfmt::skip]
pub const OTHER_TRAITS: &[&str] = &[
    "старший", "младший", "давний", "случайный", "странный", "верный", "заклятый", "болтливый", "молчаливый",
    "любимый", "таинственный", "хитрый", "сердитый", "добрый",
];

/// Places.
#[rustfmt::skip]
pub const PLACES: &[Place] = &[
    inside(thing("город")), inside(thing("деревня")), inside(thing("посёлок").stem("посёлк")),
    inside(thing("столица")), inside(thing("театр")), inside(thing("гостиница")), inside(thing("больница")),
    inside(thing("школа")), inside(thing("университет")), inside(thing("музей")), inside(thing("пустыня")),
    inside(thing("особняк").stressed()), inside(thing("дом")), inside(thing("квартира")), inside(thing("тюрьма")),
    inside(thing("лагерь").male()), inside(thing("монастырь").male().stressed()), inside(thing("крепость")),
    inside(thing("поезд")), inside(thing("санаторий")), inside(thing("библиотека")), inside(thing("галерея")),
    inside(thing("усадьба")), inside(thing("цирк")), inside(thing("редакция")), inside(thing("лаборатория")),
    inside(thing("дворец").stem("дворц").stressed()), inside(thing("долина")), upon(thing("остров")),
    upon(thing("вокзал")), upon(thing("станция")), upon(thing("завод")), upon(thing("улица")),
    upon(thing("корабль").male().stressed()), upon(thing("маяк").stressed()), upon(thing("граница")),
    upon(thing("дача")), upon(thing("стройка")), upon(thing("фабрика")), upon(thing("окраина")), upon(thing("ферма")),
    upon(thing("побережье")), upon(thing("стадион")), upon(thing("площадь")), upon(thing("перевал")),
    upon(thing("киностудия")),
];

/// Traits of places.
#[rustfmt::skip]
pub const PLACE_TRAITS: &[&str] = &[
    "маленький", "большой", "приморский", "заброшенный", "северный", "южный", "далёкий", "старый", "шумный", "тихий",
    "закрытый", "чужой", "родной", "незнакомый", "горный", "зимний", "летний", "таёжный", "пустой", "богатый",
    "бедный", "сонный", "туманный", "роскошный", "мрачный", "солнечный", "уютный", "забытый", "провинциальный",
    "военный",
];

/// Things that matter in a plot.
#[rustfmt::skip]
pub const OBJECTS: &[Noun] = &[
    thing("письмо"), thing("дневник").stressed(), thing("рукопись"), thing("картина"), thing("фотография"),
    thing("ключ").stressed(), thing("карта"), thing("тетрадь"), thing("чемодан"), thing("скрипка"),
    thing("завещание"), thing("открытка"), thing("кольцо").stressed(), thing("наследство"), thing("плёнка"),
    thing("формула"), thing("икона"), thing("билет"), thing("телеграмма"), thing("шкатулка"), thing("портрет"),
    thing("револьвер"), thing("посылка"), thing("документ"), thing("пластинка"), thing("книга"), thing("флакон"),
    thing("зеркало"), thing("фотоаппарат"), thing("приглашение"), thing("медальон"), thing("архив"),
    thing("расписка"), thing("партитура"),
];

/// Traits of things.
#[rustfmt::skip]
pub const OBJECT_TRAITS: &[&str] = &[
    "старый", "пропавший", "чужой", "загадочный", "бесценный", "последний", "потерянный", "секретный", "старинный",
    "недописанный", "единственный", "анонимный", "фамильный", "поддельный", "обгоревший", "забытый", "странный",
    "древний", "семейный", "разбитый", "неизвестный",
];

/// Events.
#[rustfmt::skip]
pub const EVENTS: &[Noun] = &[
    thing("встреча"), thing("ошибка"), thing("катастрофа"), thing("преступление"), thing("исчезновение"),
    thing("предательство"), thing("пожар"), thing("свадьба"), thing("буря"), thing("война"), thing("экспедиция"),
    thing("ограбление"), thing("премьера"), thing("расследование"), thing("авария"), thing("поездка"), thing("побег"),
    thing("возвращение"), thing("знакомство"), thing("спор"), thing("дуэль"), thing("болезнь"), thing("выигрыш"),
    thing("скандал"), thing("переезд"), thing("разлука"), thing("эксперимент"), thing("конкурс"), thing("заговор"),
    thing("признание"), thing("наводнение"), thing("съёмка"),
];

/// Traits of events.
#[rustfmt::skip]
pub const EVENT_TRAITS: &[&str] = &[
    "случайный", "роковой", "неожиданный", "странный", "громкий", "давний", "внезапный", "нелепый", "опасный",
    "страшный", "долгожданный", "неудачный", "первый", "последний", "тайный", "ночной", "невероятный", "вынужденный",
];

/// Feelings and ideas.
#[rustfmt::skip]
pub const FEELINGS: &[Noun] = &[
    thing("память"), thing("надежда"), thing("свобода"), thing("ревность"), thing("дружба"), thing("вина"),
    thing("одиночество"), thing("месть"), thing("прощение"), thing("страх"), thing("доверие"), thing("совесть"),
    thing("тоска"), thing("мечта"), thing("верность"), thing("долг"), thing("правда"), thing("взросление"),
    thing("счастье"), thing("гордость"), thing("вера"), thing("нежность"), thing("стыд").stressed(),
    thing("отчаяние"), thing("любопытство"),
];

/// Traits of feelings.
#[rustfmt::skip]
pub const FEELING_TRAITS: &[&str] = &[
    "первый", "настоящий", "запоздалый", "тихий", "слепой", "подлинный", "мучительный", "безответный", "светлый",
    "давний", "внезапный", "общий", "человеческий", "простой", "хрупкий",
];

/// Aspects of a movie.
#[rustfmt::skip]
pub const ASPECTS: &[Noun] = &[
    thing("сюжет"), thing("музыка"), thing("монтаж").stressed(), thing("финал"), thing("сценарий"),
    thing("постановка"), thing("атмосфера"), thing("завязка"), thing("развязка"), thing("юмор"), thing("драматургия"),
    thing("режиссура"), thing("звук"), thing("интрига"), thing("диалог"), thing("пролог"), thing("образ"),
    thing("пейзаж"), thing("интонация"), thing("ритм"), thing("картинка"), thing("композиция"), thing("костюм"),
    thing("грим"), thing("игра"), thing("стиль").male(), thing("свет"), thing("озвучка"), thing("концовка"),
    thing("ансамбль").male(),
];

/// Neutral traits of aspects.
#[rustfmt::skip]
pub const ASPECT_TRAITS: &[&str] = &[
    "общий", "авторский", "визуальный", "внутренний", "узнаваемый", "неспешный", "сдержанный", "нервный",
    "классический", "современный", "камерный", "нелинейный", "документальный", "театральный",
];

/// Words of praise.
#[rustfmt::skip]
pub const GOOD: &[&str] = &[
    "отличный", "выразительный", "изящный", "тонкий", "точный", "живой", "свежий", "захватывающий", "блестящий",
    "умный", "искренний", "остроумный", "продуманный", "безупречный", "трогательный", "мощный", "великолепный",
    "убедительный", "чистый", "сильный", "яркий", "редкий", "смелый",
];

/// Words of blame.
#[rustfmt::skip]
pub const BAD: &[&str] = &[
    "скучный", "затянутый", "предсказуемый", "вялый", "сумбурный", "фальшивый", "пустой", "слабый", "натужный",
    "вторичный", "плоский", "неровный", "шаблонный", "нелепый", "беспомощный", "холодный", "вымученный", "рыхлый",
    "невнятный", "блёклый",
];

/// Genres of movies.
#[rustfmt::skip]
pub const GENRES: &[Noun] = &[
    thing("драма"), thing("комедия"), thing("детектив"), thing("мелодрама"), thing("притча"), thing("триллер"),
    thing("сказка"), thing("сатира"), thing("трагикомедия"), thing("история"), thing("хроника"), thing("экранизация"),
    thing("фильм"), thing("картина"), thing("лента"), thing("работа"),
];

/// The nouns of a class, by its name in templates.
pub fn nouns(class: &str) -> Option<(&'static [Noun], &'static [&'static str])> {
    Some(match class {
        "hero" => (HEROES, HERO_TRAITS),
        "other" => (OTHERS, OTHER_TRAITS),
        "object" => (OBJECTS, OBJECT_TRAITS),
        "event" => (EVENTS, EVENT_TRAITS),
        "feeling" => (FEELINGS, FEELING_TRAITS),
        "aspect" => (ASPECTS, ASPECT_TRAITS),
        "genre" => (GENRES, GOOD),
        _ => return None,
    })
}

/// The adjectives of a list, by its name in templates.
pub fn adjectives(list: &str) -> Option<&'static [&'static str]> {
    Some(match list {
        "good" => GOOD,
        "bad" => BAD,
        "trait" => HERO_TRAITS,
        _ => return None,
    })
}
