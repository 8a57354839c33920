//! The forms of words: what a title or a text may say where something else was typed.
//!
//! Stems are Snowball's (<https://snowballstem.org>), as PostgreSQL's `russian` finds them. Its rules know
//! no dictionary and take the end of many roots for an ending, but not in every case: "экран" has
//! the stem "экра", "экраном" has "экран"; likewise "герой" and "героя", "остров" and "острова".
//! Nor do they know vowels that come and go, as in "съемка" and "съемок". So a word that is looked for
//! has several stems: its own, and those of the nouns that it may be a case of. What is no word among
//! them finds nothing.

use rust_stemmers::{Algorithm, Stemmer};

/// Endings of the cases of nouns.
const CASES: &str = "а ам ами ах ая е ев ей ем ею и й о ов ой ом ою у ы ь ью ю я ям ями ях";
/// Other endings of Russian and English words.
const ENDINGS: &str = "его ее ет ешь ие ий им ими ит их иям ию ия л ла ли ло ого ое ому т ти ть ует уют ую ут ые \
    ый ым ыми ых ют юю ят яя s es ed ing er ers";
/// Frequent nouns that change within, which no rule here finds.
const IRREGULAR: [&str; 17] = [
    "время времени временем времена времен временам временами временах",
    "имя имени именем имена имен именам именами именах",
    "пламя пламени пламенем",
    "день дня дню днем дне дни дней дням днями днях",
    "сон сна сну сном сне сны снов снам снами снах",
    "лев льва льву львом льве львы львов львам львами львах",
    "пес пса псу псом псе псы псов псам псами псах",
    "мать матери матерью матерей матерям матерями матерях",
    "дочь дочери дочерью дочерей дочерям дочерями дочерьми дочерях",
    "любовь любви любовью",
    "церковь церкви церковью церквей церквам церквами церквах",
    "люди людей людям людьми людях",
    "дети детей детям детьми детях",
    "друг друга другу другом друге друзья друзей друзьям друзьями друзьях",
    "сын сына сыну сыном сыне сыновья сыновей сыновьям сыновьями сыновьях",
    "небо неба небу небом небе небеса небес небесам небесами небесах",
    "чудо чуда чуду чудом чуде чудеса чудес чудесам чудесами чудесах",
];
/// Letters of a root at least: with fewer, too many words begin alike.
const ROOT_LENGTH_MIN: usize = 3;
/// Letters of a stem from which on all words that begin with it are taken for its forms.
const PREFIX_LENGTH_MIN: usize = 5;

/// A folded word that is looked for. Hundreds of candidates are compared with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word as it was typed.
    pub text: String,
    /// The stems of its forms, its own first.
    pub stems: Vec<String>,
    /// Words that begin so are taken for its forms: what a long word has in common with its stem.
    pub prefix: Option<String>,
    /// How its forms may begin as they are written, the word itself among them.
    roots: Vec<String>,
}

impl Word {
    /// Finds the stems and roots of a folded word.
    pub fn new(text: &str) -> Self {
        let own = stem(text);
        let common: String =
            text.chars().zip(own.chars()).take_while(|(a, b)| a == b).map(|(letter, _)| letter).collect();
        let mut word = Self {
            text: text.to_owned(),
            prefix: (common.chars().count() >= PREFIX_LENGTH_MIN).then(|| common.clone()),
            roots: vec![text.to_owned()],
            stems: vec![own],
        };
        if text.is_ascii() {
            word.add(common, Vec::new());
        } else if let Some(noun) = IRREGULAR.iter().find(|noun| noun.split(' ').any(|case| case == text)) {
            noun.split(' ').for_each(|case| word.add(case.to_owned(), vec![stem(case)]));
        } else if text.chars().all(|letter| ('а'..='я').contains(&letter)) {
            let endings = CASES.split(' ').chain([""]);
            for root in endings.filter_map(|ending| text.strip_suffix(ending)) {
                if stems_of_noun(root).contains(&word.stems[0]) {
                    for root in [root.to_owned()].into_iter().chain(with_other_vowels(root)) {
                        let stems = stems_of_noun(&root);
                        word.add(root, stems);
                    }
                }
            }
        }
        word
    }

    /// Adds the forms of a root, unless it is too short.
    fn add(&mut self, root: String, stems: Vec<String>) {
        if root.chars().nth(ROOT_LENGTH_MIN - 1).is_none() {
            return;
        }
        for stem in stems {
            if !self.stems.contains(&stem) {
                self.stems.push(stem);
            }
        }
        if !self.roots.contains(&root) {
            self.roots.push(root);
        }
    }

    /// The shortest texts of which one is in each of its forms.
    pub fn needles(&self) -> Vec<&str> {
        let all = || self.prefix.iter().chain(&self.roots).map(String::as_str);
        let mut needles: Vec<_> =
            all().filter(|needle| !all().any(|other| other != *needle && needle.contains(other))).collect();
        needles.sort_unstable();
        needles.dedup();
        needles
    }

    /// Its forms as they are written, but those that begin with `prefix`.
    pub fn forms(&self) -> Vec<String> {
        let mut forms = vec![self.text.clone()];
        for root in &self.roots {
            let endings = CASES.split(' ').chain(ENDINGS.split(' ')).chain([""]);
            forms.extend(
                endings.map(|ending| format!("{root}{ending}")).filter(|form| self.stems.contains(&stem(form))),
            );
        }
        forms.retain(|form| self.prefix.as_ref().is_none_or(|prefix| !form.starts_with(prefix)));
        forms.sort_unstable();
        forms.dedup();
        forms
    }
}

/// The stem of a folded word by Snowball's rules, as PostgreSQL finds it.
pub fn stem(word: &str) -> String {
    let algorithm = match word {
        word if word.contains(char::is_numeric) => return word.to_owned(),
        word if word.is_ascii() => Algorithm::English,
        _ => Algorithm::Russian,
    };
    Stemmer::create(algorithm).stem(word).into_owned()
}

/// The different stems that the cases of a noun have.
fn stems_of_noun(root: &str) -> Vec<String> {
    match root.ends_with(is_vowel) {
        true => vec![stem(&format!("{root}й")), stem(&format!("{root}ям"))],
        false => vec![stem(root), stem(&format!("{root}ам"))],
    }
}

/// The root with the vowel that stands before its last consonant where there is no ending, or
/// without it: "съемк" and "съемок", "чайк" and "чаек", "писем" and "письм".
fn with_other_vowels(root: &str) -> Vec<String> {
    let mut letters = root.chars().rev();
    let (Some(last), Some(before), third) = (letters.next(), letters.next(), letters.next()) else { return Vec::new() };
    if !"кцнлмб".contains(last) {
        return Vec::new();
    }
    let head = &root[..root.len() - last.len_utf8()];
    let short = &head[..head.len() - before.len_utf8()];
    match before {
        'о' => vec![format!("{short}{last}")],
        'е' if third.is_some_and(is_vowel) => vec![format!("{short}й{last}")],
        'е' => vec![format!("{short}{last}"), format!("{short}ь{last}")],
        'ь' | 'й' => vec![format!("{short}е{last}")],
        vowel if is_vowel(vowel) => Vec::new(),
        _ => vec![format!("{head}о{last}"), format!("{head}е{last}")],
    }
}

fn is_vowel(letter: char) -> bool {
    "аеиоуыэюя".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nouns in all their cases that differ.
    const NOUNS: [&str; 40] = [
        "фильм фильма фильму фильмом фильме фильмы фильмов фильмам фильмами фильмах",
        "сериал сериала сериалу сериалом сериале сериалы сериалов сериалам сериалами сериалах",
        "экран экрана экрану экраном экране экраны экранов экранам экранами экранах",
        "роман романа роману романом романе романы романов романам романами романах",
        "герой героя герою героем герое герои героев героям героями героях",
        "музей музея музею музеем музее музеи музеев музеям музеями музеях",
        "сценарий сценария сценарию сценарием сценарии сценариев сценариям сценариями сценариях",
        "зеркало зеркала зеркалу зеркалом зеркале зеркал зеркалам зеркалами зеркалах",
        "режим режима режиму режимом режиме режимы режимов режимам режимами режимах",
        "остров острова острову островом острове островов островам островами островах",
        "альбом альбома альбому альбомом альбоме альбомы альбомов альбомам альбомами альбомах",
        "экзамен экзамена экзамену экзаменом экзамене экзамены экзаменов экзаменам экзаменами экзаменах",
        "бандит бандита бандиту бандитом бандите бандиты бандитов бандитам бандитами бандитах",
        "крокодил крокодила крокодилу крокодилом крокодиле крокодилы крокодилов крокодилам",
        "страна страны стране страну страной стран странам странами странах",
        "война войны войне войну войной войн войнам войнами войнах",
        "измена измены измене измену изменой измен изменам изменами изменах",
        "камера камеры камере камеру камерой камер камерам камерами камерах",
        "съемка съемки съемке съемку съемкой съемок съемкам съемками съемках",
        "сказка сказки сказке сказку сказкой сказок сказкам сказками сказках",
        "девушка девушки девушке девушку девушкой девушек девушкам девушками девушках",
        "чайка чайки чайке чайку чайкой чаек чайкам чайками чайках",
        "отец отца отцу отцом отце отцы отцов отцам отцами отцах",
        "конец конца концу концом конце концы концов концам концами концах",
        "письмо письма письму письмом письме писем письмам письмами письмах",
        "окно окна окну окном окне окон окнам окнами окнах",
        "песня песни песне песню песней песен песням песнями песнях",
        "судьба судьбы судьбе судьбу судьбой судеб судьбам судьбами судьбах",
        "мелодия мелодии мелодию мелодией мелодий мелодиям мелодиями мелодиях",
        "жизнь жизни жизнью жизней жизням жизнями жизнях",
        "искусство искусства искусству искусством искусстве искусств искусствам искусствами искусствах",
        "чехов чехова чехову чеховым чехове чеховы чеховых",
        "михалков михалкова михалкову михалковым михалкове михалковы михалковых",
        "сокуров сокурова сокурову сокуровым сокурове",
        "звягинцев звягинцева звягинцеву звягинцевым звягинцеве",
        "тарковский тарковского тарковскому тарковским тарковском тарковские тарковских",
        "пушкин пушкина пушкину пушкине пушкины",
        "гоголь гоголя гоголю гоголем гоголе",
        "мир мира миру миром мире миры миров мирам мирами мирах",
        "кино",
    ];

    #[test]
    fn every_case_of_a_noun_finds_every_other() {
        let mut wrong = Vec::new();
        for noun in NOUNS.iter().chain(&IRREGULAR) {
            for typed in noun.split(' ') {
                let word = Word::new(typed);
                let (needles, forms) = (word.needles(), word.forms());
                for written in noun.split(' ') {
                    let begins = word.prefix.as_ref().is_some_and(|prefix| written.starts_with(prefix));
                    let by_stem = begins || word.stems.contains(&stem(written));
                    let as_written = begins || forms.iter().any(|form| form == written);
                    let by_part = needles.iter().any(|needle| written.contains(needle));
                    if !(by_stem && as_written && by_part) {
                        wrong.push(format!("{typed} finds {written}: {by_stem} {as_written} {by_part}, {word:?}"));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{} {wrong:#?}", wrong.len());
    }

    #[test]
    fn other_words_are_not_found() {
        for (typed, other) in
            [("мир", "мировой"), ("кино", "кинжал"), ("герой", "герцог"), ("экран", "экватор"), ("war", "warsaw")]
        {
            let word = Word::new(typed);
            assert!(!word.stems.contains(&stem(other)) && word.prefix.is_none(), "{word:?}");
            assert!(!word.forms().iter().any(|form| form == other), "{:?}", word.forms());
        }
    }

    #[test]
    fn english_words_and_numbers_have_forms_too() {
        let forms = Word::new("wars").forms();
        assert!(["war", "wars"].iter().all(|form| forms.iter().any(|known| known == form)), "{forms:?}");
        assert_eq!(Word::new("movies").prefix, None);
        assert_eq!(Word::new("films").needles(), ["film"]);
        assert_eq!(
            (Word::new("1945").forms(), Word::new("1945").stems),
            (vec!["1945".to_owned()], vec!["1945".to_owned()])
        );
    }
}
