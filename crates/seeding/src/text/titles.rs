//! Titles of movies: Russian ones, and pairs of a Russian title and its original in English, Spanish or French.

use super::grammar::{Case, Gender, Noun, agree, thing};
use super::template::{Scene, sentence};
use crate::fakes::dice::{Dice, between, chance, pick, under};
use crate::locale::{CASE_SURNAMES, NameOrigin};

/// A noun in four languages. `true` means feminine.
#[derive(Clone, Copy)]
struct TitleWord {
    ru: Noun,
    en: &'static str,
    es: (&'static str, bool),
    fr: (&'static str, bool),
}

/// An adjective in four languages, masculine and feminine. With `before`, Spanish and French put it before the noun.
#[derive(Clone, Copy)]
struct Quality {
    ru: &'static str,
    en: &'static str,
    es: (&'static str, &'static str),
    fr: (&'static str, &'static str),
    before: bool,
}

const fn word(ru: Noun, en: &'static str, es: (&'static str, bool), fr: (&'static str, bool)) -> TitleWord {
    TitleWord { ru, en, es, fr }
}

const WORDS: &[TitleWord] = &[
    word(thing("ночь"), "Night", ("noche", true), ("nuit", true)),
    word(thing("город"), "City", ("ciudad", true), ("ville", true)),
    word(thing("лето"), "Summer", ("verano", false), ("été", false)),
    word(thing("зима"), "Winter", ("invierno", false), ("hiver", false)),
    word(thing("море"), "Sea", ("mar", false), ("mer", true)),
    word(thing("тень"), "Shadow", ("sombra", true), ("ombre", true)),
    word(thing("дом"), "House", ("casa", true), ("maison", true)),
    word(thing("дорога"), "Road", ("camino", false), ("route", true)),
    word(thing("письмо"), "Letter", ("carta", true), ("lettre", true)),
    word(thing("остров"), "Island", ("isla", true), ("île", true)),
    word(thing("река"), "River", ("río", false), ("rivière", true)),
    word(thing("сердце"), "Heart", ("corazón", false), ("cœur", false)),
    word(thing("звезда"), "Star", ("estrella", true), ("étoile", true)),
    word(thing("война"), "War", ("guerra", true), ("guerre", true)),
    word(thing("песня"), "Song", ("canción", true), ("chanson", true)),
    word(thing("игра"), "Game", ("juego", false), ("jeu", false)),
    word(thing("молчание"), "Silence", ("silencio", false), ("silence", false)),
    word(thing("правда"), "Truth", ("verdad", true), ("vérité", true)),
    word(thing("свадьба"), "Wedding", ("boda", true), ("noce", true)),
    word(thing("окно"), "Window", ("ventana", true), ("fenêtre", true)),
    word(thing("мост").stressed(), "Bridge", ("puente", false), ("pont", false)),
    word(thing("роза"), "Rose", ("rosa", true), ("rose", true)),
    word(thing("пустыня"), "Desert", ("desierto", false), ("désert", false)),
    word(thing("зеркало"), "Mirror", ("espejo", false), ("miroir", false)),
    word(thing("тайна"), "Secret", ("secreto", false), ("mystère", false)),
    word(thing("встреча"), "Encounter", ("encuentro", false), ("rencontre", true)),
    word(thing("библиотека"), "Library", ("biblioteca", true), ("bibliothèque", true)),
    word(thing("поезд"), "Train", ("tren", false), ("train", false)),
    word(thing("праздник"), "Feast", ("fiesta", true), ("fête", true)),
    word(thing("сад"), "Garden", ("jardín", false), ("jardin", false)),
    word(thing("память"), "Memory", ("memoria", true), ("mémoire", true)),
    word(thing("вкус"), "Taste", ("gusto", false), ("goût", false)),
    word(thing("ветер").stem("ветр"), "Wind", ("viento", false), ("vent", false)),
    word(thing("кровь"), "Blood", ("sangre", true), ("sang", false)),
    word(thing("обещание"), "Promise", ("promesa", true), ("promesse", true)),
    word(thing("вокзал"), "Station", ("estación", true), ("gare", true)),
    word(thing("голос"), "Voice", ("voz", true), ("voix", true)),
    word(thing("танец").stem("танц"), "Dance", ("baile", false), ("danse", true)),
];

const fn quality(
    ru: &'static str,
    en: &'static str,
    es: (&'static str, &'static str),
    fr: (&'static str, &'static str),
) -> Quality {
    Quality { ru, en, es, fr, before: false }
}

const QUALITIES: &[Quality] = &[
    Quality { before: true, ..quality("последний", "Last", ("último", "última"), ("dernier", "dernière")) },
    Quality { before: true, ..quality("первый", "First", ("primer", "primera"), ("premier", "première")) },
    Quality { before: true, ..quality("маленький", "Little", ("pequeño", "pequeña"), ("petit", "petite")) },
    Quality { before: true, ..quality("большой", "Great", ("gran", "gran"), ("grand", "grande")) },
    Quality { before: true, ..quality("долгий", "Long", ("largo", "larga"), ("long", "longue")) },
    quality("белый", "White", ("blanco", "blanca"), ("blanc", "blanche")),
    quality("чёрный", "Black", ("negro", "negra"), ("noir", "noire")),
    quality("красный", "Red", ("rojo", "roja"), ("rouge", "rouge")),
    quality("зелёный", "Green", ("verde", "verde"), ("vert", "verte")),
    quality("потерянный", "Lost", ("perdido", "perdida"), ("perdu", "perdue")),
    quality("тихий", "Quiet", ("tranquilo", "tranquila"), ("tranquille", "tranquille")),
    quality("холодный", "Cold", ("frío", "fría"), ("froid", "froide")),
    quality("тёплый", "Warm", ("cálido", "cálida"), ("chaud", "chaude")),
    quality("странный", "Strange", ("extraño", "extraña"), ("étrange", "étrange")),
    quality("забытый", "Forgotten", ("olvidado", "olvidada"), ("oublié", "oubliée")),
    quality("невидимый", "Invisible", ("invisible", "invisible"), ("invisible", "invisible")),
    quality("тайный", "Secret", ("secreto", "secreta"), ("secret", "secrète")),
    quality("вечный", "Eternal", ("eterno", "eterna"), ("éternel", "éternelle")),
    quality("дикий", "Wild", ("salvaje", "salvaje"), ("sauvage", "sauvage")),
    quality("тёмный", "Dark", ("oscuro", "oscura"), ("sombre", "sombre")),
    quality("золотой", "Golden", ("dorado", "dorada"), ("doré", "dorée")),
    quality("прозрачный", "Transparent", ("transparente", "transparente"), ("transparent", "transparente")),
    quality("опасный", "Dangerous", ("peligroso", "peligrosa"), ("dangereux", "dangereuse")),
    quality("одинокий", "Lonely", ("solitario", "solitaria"), ("solitaire", "solitaire")),
];

const RUSSIAN: &[&str] = &[
    "{+object.nom}",
    "{+event.nom}",
    "{+hero.nom}",
    "{hero.nom} и {other.nom}",
    "{+hero.nom} {from}",
    "{feeling.nom} {+in}",
    "{+feeling.nom}",
    "{name} уезжает {+to}",
    "{+other.nom} {from}",
    "{7|12|28|40|100|365} {дней|шагов|часов|писем} до {рассвета|дома|весны|премьеры|тебя}",
    "{Рейс|Палата|Квартира|Вагон|Дело} {3|17|42|101|417|1024}",
    "{Чёрный|Тёмный|Тёплый|Жёлтый|Зелёный|Весёлый} {лёд|самолёт|костёр|ковёр|котёнок|актёр}",
    "Ёлки {+in}",
    "Полёт {+to}",
    "Ещё {раз про любовь|один день|не вечер|вчера|до войны|не зима}",
    "Моё {последнее лето|второе имя|чужое окно|тихое счастье}",
    "{1812|1917|1941|1943|1961|1986}. {Зима|Весна|Хроника|Дорога домой|Письма}",
    "{Как|Куда|Зачем} {уходит|возвращается|исчезает} {+hero.nom}",
    "{event.nom} {+in}",
    "{Однажды|Вечером|Под утро} {+in}",
    "Прощай, {другая|чужая|милая|старая} {жизнь|улица|дача|школа}",
    "{Никто|Все|Другие|Двое} {in}",
    "{object.nom} для {+other.gen}",
    "{Тайна|Исповедь|Молчание|Последнее дело|Сон} {+hero.gen}",
];

/// A movie's Russian title and, unless it is Russian, its original title.
pub fn title(origin: NameOrigin, dice: &mut Dice) -> (String, Option<String>) {
    if origin == NameOrigin::Russian {
        return (russian(dice), None);
    }
    let first = &pick(WORDS, dice);
    let second = &other_word(first, dice);
    let (ru, original) = match under(100, dice) {
        0..55 => {
            let quality = &pick(QUALITIES, dice);
            (described(quality, first), qualified(origin, quality, first))
        }
        55..85 => (
            format!("{} {}", first.ru.decline(Case::Nominative), second.ru.decline(Case::Genitive)),
            of(origin, first, second),
        ),
        _ => (
            format!("{} и {}", first.ru.decline(Case::Nominative), second.ru.decline(Case::Nominative)),
            joined(origin, first, second),
        ),
    };
    let (ru, original) = (super::template::capitalised(&ru), super::template::capitalised(&original));
    if chance(6, dice) {
        let part = between(2, 5, dice);
        return (format!("{ru} {part}"), Some(format!("{original} {part}")));
    }
    (ru, Some(original))
}

fn russian(dice: &mut Dice) -> String {
    let scene = Scene { film: "", speaker: Gender::Male, origin: NameOrigin::Russian };
    match under(100, dice) {
        0..32 => {
            let quality = &pick(QUALITIES, dice);
            let word = &pick(WORDS, dice);
            super::template::capitalised(&described(quality, word))
        }
        32..36 => format!(
            "Дело {} {}а",
            pick(&["майора", "капитана", "доктора", "инженера"], dice),
            pick(CASE_SURNAMES, dice)
        ),
        36..42 => {
            let word = &pick(WORDS, dice);
            let name = super::template::capitalised(&word.ru.decline(Case::Nominative));
            format!("{name} {}", between(2, 4, dice))
        }
        _ => sentence(RUSSIAN, &scene, dice),
    }
}

fn other_word(first: &TitleWord, dice: &mut Dice) -> TitleWord {
    let second = pick(WORDS, dice);
    if second.en == first.en { WORDS[usize::from(first.en == WORDS[0].en)] } else { second }
}

fn described(quality: &Quality, word: &TitleWord) -> String {
    let adjective = agree(quality.ru, word.ru.gender(), Case::Nominative, false);
    format!("{adjective} {}", word.ru.decline(Case::Nominative))
}

fn qualified(origin: NameOrigin, quality: &Quality, word: &TitleWord) -> String {
    let ((noun, female), forms) = match origin {
        NameOrigin::Spanish => (word.es, quality.es),
        NameOrigin::French => (word.fr, quality.fr),
        _ => return format!("The {} {}", quality.en, word.en),
    };
    let adjective = if female { forms.1 } else { forms.0 };
    if quality.before {
        with_article(origin, &format!("{adjective} {noun}"), female)
    } else {
        format!("{} {adjective}", with_article(origin, noun, female))
    }
}

fn of(origin: NameOrigin, first: &TitleWord, second: &TitleWord) -> String {
    match origin {
        NameOrigin::Spanish => {
            let (owner, female) = second.es;
            let of = if female { "de la" } else { "del" };
            format!("{} {of} {owner}", with_article(origin, first.es.0, first.es.1))
        }
        NameOrigin::French => {
            let (owner, female) = second.fr;
            let of = if elides(owner) {
                "de l'"
            } else if female {
                "de la "
            } else {
                "du "
            };
            format!("{} {of}{owner}", with_article(origin, first.fr.0, first.fr.1))
        }
        _ => format!("The {} of the {}", first.en, second.en),
    }
}

fn joined(origin: NameOrigin, first: &TitleWord, second: &TitleWord) -> String {
    match origin {
        // Spanish says "e" before the sound "i".
        NameOrigin::Spanish if second.es.0.starts_with('i') || second.es.0.starts_with("hi") => {
            format!("{} e {}", first.es.0, second.es.0)
        }
        NameOrigin::Spanish => format!("{} y {}", first.es.0, second.es.0),
        NameOrigin::French => format!("{} et {}", first.fr.0, second.fr.0),
        _ => format!("{} and {}", first.en, second.en),
    }
}

fn with_article(origin: NameOrigin, words: &str, female: bool) -> String {
    match (origin, female) {
        (NameOrigin::Spanish, true) => format!("la {words}"),
        (NameOrigin::Spanish, false) => format!("el {words}"),
        _ if elides(words) => format!("l'{words}"),
        (_, true) => format!("la {words}"),
        (_, false) => format!("le {words}"),
    }
}

fn elides(word: &str) -> bool {
    word.starts_with(['a', 'e', 'i', 'o', 'u', 'h', 'é', 'ê', 'î'])
}
