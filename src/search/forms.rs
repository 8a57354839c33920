//! Word forms: a title or a text may contain another form of a word than the query.
//!
//! Stems are Snowball's (<https://snowballstem.org>), as in PostgreSQL's `russian` dictionary. Its rules use no word
//! list and mistake the end of many roots for an ending, but not in every case: "экран" has the stem "экра", "экраном"
//! has "экран"; likewise "герой" and "героя", "остров" and "острова". Nor do they cover fleeting vowels, as in "съемка"
//! and "съемок". So a word in a query has several stems: its own, and those of the nouns of which it may be a case.
//! Stems that belong to no word find nothing.

use rust_stemmers::{Algorithm, Stemmer};

/// Case endings of nouns.
const CASES: &str = "а ам ами ах е ев ей ем ею и й о ов ой ом ою у ы ь ью ю я ям ями ях";
/// Other endings of Russian and English words.
const ENDINGS: &str = "ая его ее ему ет ешь ие ий им ими ит их иям ию ия л ла ли ло ого ое ому т ти ть ует уют ую ут \
    ые ый ым ыми ых ье ьев ьей ьем ьи ья ьям ьями ьях ют юю ят яя s es ed ing er ers";
/// Frequent nouns with irregular stems, which no rule here finds.
const IRREGULAR: [&str; 19] = [
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
    "лед льда льду льдом льде льды льдов льдам льдами льдах",
    "заяц зайца зайцу зайцем зайце зайцы зайцев зайцам зайцами зайцах",
    "чудо чуда чуду чудом чуде чудеса чудес чудесам чудесами чудесах",
];
/// The minimum number of letters of a root: with fewer, too many words begin alike.
const ROOT_LENGTH_MIN: usize = 3;
/// The maximum number of stems of a word. With very many, PostgreSQL would read all texts instead of its index.
const STEMS_MAX: usize = 9;
/// From this many letters on, all words that begin with a stem, or with the word, count as its forms.
const LONG: usize = 5;

/// A folded word of a query. Hundreds of candidates are compared with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word as typed.
    pub text: String,
    /// The stems of its forms, its own first.
    pub stems: Vec<String>,
    /// Words with this prefix count as its forms: what a long word has in common with its stem, or the word itself.
    pub prefix: Option<String>,
    /// The beginnings of its written forms, including the word itself.
    roots: Vec<String>,
}

impl Word {
    /// Finds the stems and roots of a folded word.
    pub fn new(text: &str) -> Self {
        let own = stem(text);
        let common: String =
            text.chars().zip(own.chars()).take_while(|(a, b)| a == b).map(|(letter, _)| letter).collect();
        let is_long = |word: &&str| word.chars().count() >= LONG;
        let mut word = Self {
            text: text.to_owned(),
            prefix: [common.as_str(), text].into_iter().find(is_long).map(str::to_owned),
            roots: vec![text.to_owned()],
            stems: vec![own],
        };
        if let Some(noun) = IRREGULAR.iter().find(|noun| noun.split(' ').any(|case| case == text)) {
            noun.split(' ').for_each(|case| word.add(case.to_owned(), vec![stem(case)]));
        } else if text.chars().all(|letter| ('а'..='я').contains(&letter)) {
            word.add_cases();
        }
        match common.chars().count() {
            2 => endings().for_each(|ending| word.add_form(format!("{common}{ending}"))),
            _ => word.add(common, Vec::new()),
        }
        word.stems.truncate(STEMS_MAX);
        word
    }

    /// Whether it may be an initial.
    pub fn is_initial(&self) -> bool {
        self.text.chars().count() == 1 && self.text.chars().all(char::is_alphabetic)
    }

    /// Adds the cases of the nouns of which it may be a case.
    fn add_cases(&mut self) {
        let text = self.text.clone();
        let plain = ["ами", "ями"].into_iter().find(|ending| text.ends_with(ending));
        let endings =
            CASES.split(' ').chain(["", "ым", "ых"]).filter(|ending| plain.is_none_or(|plain| *ending == plain));
        for (root, ending) in endings.filter_map(|ending| text.strip_suffix(ending).map(|root| (root, ending))) {
            // "мировой" is not a case of "миров", but "Ежовым" is one of "Ежов".
            let is_name = ["ов", "ев", "ин"].iter().any(|end| root.ends_with(end));
            let is_no_case = match ending {
                "ой" | "ею" | "ей" | "ою" => root.ends_with("ов") || root.ends_with("ев"),
                // Long names are found by their prefix.
                "ым" | "ых" => !is_name || root.chars().count() >= LONG,
                _ => false,
            };
            if is_no_case || !stems_of_noun(root).contains(&self.stems[0]) {
                continue;
            }
            let relatives = match ending {
                "" | "ь" | "й" => without_vowel(root),
                _ => with_vowel(root),
            };
            for root in [root.to_owned()].into_iter().chain(relatives) {
                let stems = stems_of_noun(&root);
                self.add(root, stems);
            }
        }
    }

    /// Adds this form, if it is one of the word.
    fn add_form(&mut self, form: String) {
        if self.stems.contains(&stem(&form)) {
            self.add(form, Vec::new());
        }
    }

    /// Adds the forms of a root, unless it is too short.
    fn add(&mut self, root: String, stems: Vec<String>) {
        if root.chars().nth(ROOT_LENGTH_MIN - 1).is_none() {
            return;
        }
        for stem in stems {
            if stem.chars().count() >= LONG && !self.roots.contains(&stem) {
                self.roots.push(stem.clone());
            }
            if !self.stems.contains(&stem) {
                self.stems.push(stem);
            }
        }
        if !self.roots.contains(&root) {
            self.roots.push(root);
        }
    }

    /// The shortest texts such that each form contains one of them.
    pub fn needles(&self) -> Vec<&str> {
        let all = || self.prefix.iter().chain(&self.roots).map(String::as_str);
        let mut needles: Vec<_> =
            all().filter(|needle| !all().any(|other| other != *needle && needle.contains(other))).collect();
        needles.sort_unstable();
        needles.dedup();
        needles
    }

    /// Its written forms.
    pub fn forms(&self) -> Vec<String> {
        let all = self.roots.iter().flat_map(|root| endings().map(move |ending| format!("{root}{ending}")));
        let mut forms: Vec<_> = all.filter(|form| self.stems.contains(&stem(form))).collect();
        forms.push(self.text.clone());
        forms.sort_unstable();
        forms.dedup();
        forms
    }
}

/// All endings, including the empty one.
fn endings() -> impl Iterator<Item = &'static str> {
    CASES.split(' ').chain(ENDINGS.split(' ')).chain([""])
}

/// The stem of a folded word by Snowball's rules, as in PostgreSQL.
pub fn stem(word: &str) -> String {
    let algorithm = match word {
        word if word.contains(char::is_numeric) => return word.to_owned(),
        word if word.is_ascii() => Algorithm::English,
        _ => Algorithm::Russian,
    };
    Stemmer::create(algorithm).stem(word).into_owned()
}

/// The different stems of a noun's cases.
fn stems_of_noun(root: &str) -> Vec<String> {
    match root.ends_with(is_vowel) {
        true => vec![stem(&format!("{root}й")), stem(&format!("{root}ям"))],
        false => vec![stem(root), stem(&format!("{root}ам"))],
    }
}

/// The last letters of roots with a fleeting vowel.
const AFTER_VOWEL: &str = "бклмнрц";

/// The forms that a root before an ending may have without one: "съемк" and "съемок", "чайк" and "чаек".
fn with_vowel(root: &str) -> Vec<String> {
    let mut letters = root.chars().rev();
    let (Some(last), Some(before)) = (letters.next(), letters.next()) else { return Vec::new() };
    let head = &root[..root.len() - last.len_utf8()];
    let vowels: &[char] = match (before, last) {
        ('ь' | 'й', _) if AFTER_VOWEL.contains(last) => {
            return vec![format!("{}е{last}", &head[..head.len() - before.len_utf8()])];
        }
        (vowel, _) if is_vowel(vowel) || !AFTER_VOWEL.contains(last) => &[],
        ('ж' | 'ц' | 'ч' | 'ш' | 'щ', 'к') => &['е'],
        (_, 'к') => &['о'],
        (_, 'л' | 'н') => &['о', 'е'],
        _ => &['е'],
    };
    vowels.iter().map(|vowel| format!("{head}{vowel}{last}")).collect()
}

/// The forms that a root without an ending may have before one: "съемок" and "съемк", "писем" and "письм".
fn without_vowel(root: &str) -> Vec<String> {
    let mut letters = root.chars().rev();
    let (Some(last), Some(vowel), third) = (letters.next(), letters.next(), letters.next()) else { return Vec::new() };
    let head = &root[..root.len() - last.len_utf8() - vowel.len_utf8()];
    match vowel {
        _ if !AFTER_VOWEL.contains(last) => Vec::new(),
        'о' => vec![format!("{head}{last}")],
        'е' if third.is_some_and(is_vowel) => vec![format!("{head}й{last}")],
        'е' => vec![format!("{head}{last}"), format!("{head}ь{last}")],
        _ => Vec::new(),
    }
}

fn is_vowel(letter: char) -> bool {
    "аеиоуыэюя".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words whose forms find each other.
    const WORDS: [&str; 55] = [
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
        "ветер ветра ветру ветром ветре ветры ветров ветрам ветрами ветрах",
        "костер костра костру костром костре костры костров кострам кострами кострах",
        "сестра сестры сестре сестру сестрой сестер сестрам сестрами сестрах",
        "статья статьи статье статью статьей статей статьям статьями статьях",
        "тихий тихого тихому тихим тихом тихая тихой тихую тихое тихие тихих тихими",
        "белый белого белому белым белом белая белой белую белое белые белых белыми",
        "алый алого алому алым алом алая алой алую алое алые алых алыми",
        "новый нового новому новым новом новая новой новую новое новые новых новыми",
        "мировой мирового мировому мировым мировом мировая мировую мировое мировые мировых мировыми",
        "основа основы основе основу основой основам основами основах",
        "film films filming",
        "ежов ежова ежову ежовым ежове ежовы ежовых",
        "зуев зуева зуеву зуевым зуеве",
        "юсов юсова юсову юсовым юсове",
        "играть играл играла играли играют играет",
    ];

    #[test]
    fn every_form_finds_every_other() {
        let mut wrong = Vec::new();
        for forms_of in WORDS.iter().chain(&IRREGULAR) {
            for typed in forms_of.split(' ') {
                let word = Word::new(typed);
                let (needles, forms) = (word.needles(), word.forms());
                for written in forms_of.split(' ') {
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
        for (typed, other) in [
            ("мир", "мировой"),
            ("кино", "кинжал"),
            ("герой", "герцог"),
            ("экран", "экватор"),
            ("war", "warsaw"),
            ("мир", "мировая"),
            ("мировая", "мир"),
            ("мировой", "мир"),
            ("мировым", "мир"),
            ("роман", "ромашка"),
        ] {
            let word = Word::new(typed);
            assert!(
                !word.stems.contains(&stem(other))
                    && word.prefix.as_ref().is_none_or(|prefix| !other.starts_with(prefix)),
                "{word:?}"
            );
            assert!(!word.forms().iter().any(|form| form == other), "{:?}", word.forms());
        }
    }

    #[test]
    fn english_words_and_numbers_have_forms_too() {
        let forms = Word::new("wars").forms();
        assert!(["war", "wars"].iter().all(|form| forms.iter().any(|known| known == form)), "{forms:?}");
        assert_eq!(Word::new("movies").stems, Word::new("movie").stems);
        assert_eq!(Word::new("films").needles(), ["film"]);
        assert_eq!(
            (Word::new("1945").forms(), Word::new("1945").stems),
            (vec!["1945".to_owned()], vec!["1945".to_owned()])
        );
    }
}
