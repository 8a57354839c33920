//! Declension of Russian nouns and adjectives, singular, by rule.
//!
//! A word is written in the nominative. Its last letters determine its declension. Marks give what the letters do not
//! show: the gender of a soft sign, a fleeting vowel, stress on the ending.

/// Grammatical gender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gender {
    /// Masculine.
    Male,
    /// Feminine.
    Female,
    /// Neuter.
    Neuter,
}

/// Grammatical case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Именительный.
    Nominative,
    /// Родительный.
    Genitive,
    /// Дательный.
    Dative,
    /// Винительный.
    Accusative,
    /// Творительный.
    Instrumental,
    /// Предложный.
    Prepositional,
}

/// A noun in the singular.
#[derive(Clone, Copy, Debug)]
pub struct Noun {
    word: &'static str,
    stem: &'static str,
    gender: Option<Gender>,
    animate: bool,
    stressed: bool,
}

/// An inanimate noun, declined by its last letters. A soft sign is feminine.
pub const fn thing(word: &'static str) -> Noun {
    Noun { word, stem: "", gender: None, animate: false, stressed: false }
}

/// An animate masculine noun.
pub const fn man(word: &'static str) -> Noun {
    Noun { animate: true, gender: Some(Gender::Male), ..thing(word) }
}

/// An animate feminine noun.
pub const fn woman(word: &'static str) -> Noun {
    Noun { animate: true, gender: Some(Gender::Female), ..thing(word) }
}

impl Noun {
    /// Sets the stem of all cases but the nominative: `отец`, `отц`.
    pub const fn stem(self, stem: &'static str) -> Self {
        Self { stem, ..self }
    }

    /// Marks that the endings are stressed: `ножом`, `семьёй`.
    pub const fn stressed(self) -> Self {
        Self { stressed: true, ..self }
    }

    /// Marks a masculine noun with a soft sign: `спектакль`.
    pub const fn male(self) -> Self {
        Self { gender: Some(Gender::Male), ..self }
    }

    /// The noun's gender.
    pub fn gender(&self) -> Gender {
        self.gender.unwrap_or_else(|| match last(self.word) {
            'а' | 'я' | 'ь' => Gender::Female,
            'о' | 'е' | 'ё' => Gender::Neuter,
            _ => Gender::Male,
        })
    }

    /// Whether the accusative equals the genitive.
    pub fn is_animate(&self) -> bool {
        self.animate
    }

    /// The noun in a case.
    pub fn decline(&self, case: Case) -> String {
        let end = last(self.word);
        let is_lifeless = case == Case::Accusative && !self.animate && (is_consonant(end) || end == 'й');
        if case == Case::Nominative || is_lifeless {
            return self.word.to_owned();
        }
        let stem = if !self.stem.is_empty() {
            self.stem
        } else if is_consonant(end) {
            self.word
        } else {
            without_last(self.word)
        };
        let ending = match end {
            'а' => first_hard(stem, case, self.stressed),
            'я' => first_soft(stem, case, self.stressed),
            'ь' if self.gender() == Gender::Female => third(case),
            'о' => neuter_hard(case),
            'е' => neuter_soft(stem, case),
            _ => masculine(stem, end, case, self.animate, self.stressed),
        };
        format!("{stem}{ending}")
    }
}

fn first_hard(stem: &str, case: Case, stressed: bool) -> &'static str {
    match case {
        Case::Genitive if takes_i(last(stem)) => "и",
        Case::Genitive => "ы",
        Case::Dative | Case::Prepositional => "е",
        Case::Accusative => "у",
        _ if is_sibilant(last(stem)) && !stressed => "ей",
        _ => "ой",
    }
}

fn first_soft(stem: &str, case: Case, stressed: bool) -> &'static str {
    match case {
        Case::Genitive => "и",
        Case::Dative | Case::Prepositional if last(stem) == 'и' => "и",
        Case::Dative | Case::Prepositional => "е",
        Case::Accusative => "ю",
        _ if stressed => "ёй",
        _ => "ей",
    }
}

fn third(case: Case) -> &'static str {
    match case {
        Case::Instrumental => "ью",
        Case::Accusative | Case::Nominative => "ь",
        _ => "и",
    }
}

fn neuter_hard(case: Case) -> &'static str {
    match case {
        Case::Genitive => "а",
        Case::Dative => "у",
        Case::Instrumental => "ом",
        Case::Prepositional => "е",
        _ => "о",
    }
}

fn neuter_soft(stem: &str, case: Case) -> &'static str {
    let sibilant = is_sibilant(last(stem));
    match case {
        Case::Genitive if sibilant => "а",
        Case::Genitive => "я",
        Case::Dative if sibilant => "у",
        Case::Dative => "ю",
        Case::Instrumental => "ем",
        Case::Prepositional if last(stem) == 'и' => "и",
        _ => "е",
    }
}

fn masculine(stem: &str, end: char, case: Case, animate: bool, stressed: bool) -> &'static str {
    let soft = matches!(end, 'ь' | 'й');
    match case {
        Case::Accusative if animate => masculine(stem, end, Case::Genitive, animate, stressed),
        // Inanimate nouns are the same in both cases.
        Case::Accusative => "ь",
        Case::Genitive if soft => "я",
        Case::Genitive => "а",
        Case::Dative if soft => "ю",
        Case::Dative => "у",
        Case::Instrumental if soft && stressed => "ём",
        Case::Instrumental if soft => "ем",
        Case::Instrumental if is_sibilant(last(stem)) && !stressed => "ем",
        Case::Instrumental => "ом",
        _ if end == 'й' && last(stem) == 'и' => "и",
        _ => "е",
    }
}

/// An adjective, written in the masculine nominative, in agreement with a noun.
pub fn agree(adjective: &str, gender: Gender, case: Case, animate: bool) -> String {
    let stem = without_last(without_last(adjective));
    let soft = adjective.ends_with("ий") && !matches!(last(stem), 'г' | 'к' | 'х');
    let sibilant = matches!(last(stem), 'ж' | 'ш' | 'щ' | 'ч');
    let velar = matches!(last(stem), 'г' | 'к' | 'х');
    let ending = match gender {
        Gender::Female => match case {
            Case::Nominative if soft && !sibilant => "яя",
            Case::Nominative => "ая",
            Case::Accusative if soft && !sibilant => "юю",
            Case::Accusative => "ую",
            _ if soft => "ей",
            _ => "ой",
        },
        Gender::Neuter if matches!(case, Case::Nominative | Case::Accusative) => {
            if soft {
                "ее"
            } else {
                "ое"
            }
        }
        _ => match case {
            Case::Nominative => return adjective.to_owned(),
            Case::Accusative if !animate => return adjective.to_owned(),
            Case::Genitive | Case::Accusative if soft => "его",
            Case::Genitive | Case::Accusative => "ого",
            Case::Dative if soft => "ему",
            Case::Dative => "ому",
            Case::Instrumental if soft || velar || sibilant => "им",
            Case::Instrumental => "ым",
            Case::Prepositional if soft => "ем",
            Case::Prepositional => "ом",
        },
    };
    format!("{stem}{ending}")
}

/// The form that a short preposition (`в`, `с`) takes before a word.
pub fn preposition(short: &str, next: &str) -> &'static str {
    let mut letters = next.chars().flat_map(char::to_lowercase);
    let first = letters.next().unwrap_or(' ');
    let cluster = letters.next().is_some_and(|second| is_consonant(second) && second != 'й');
    match short {
        "в" if matches!(first, 'в' | 'ф') && cluster => "во",
        "в" => "в",
        "с" if matches!(first, 'с' | 'з' | 'ш' | 'ж') && cluster => "со",
        "с" => "с",
        "из" => "из",
        _ => "на",
    }
}

fn last(word: &str) -> char {
    word.chars().next_back().unwrap_or(' ')
}

fn without_last(word: &str) -> &str {
    word.char_indices().next_back().map_or("", |(at, _)| &word[..at])
}

fn is_consonant(letter: char) -> bool {
    !matches!(letter, 'а' | 'е' | 'ё' | 'и' | 'й' | 'о' | 'у' | 'ы' | 'ь' | 'ъ' | 'э' | 'ю' | 'я' | ' ')
}

fn is_sibilant(letter: char) -> bool {
    matches!(letter, 'ж' | 'ш' | 'ч' | 'щ' | 'ц')
}

fn takes_i(letter: char) -> bool {
    matches!(letter, 'г' | 'к' | 'х' | 'ж' | 'ш' | 'ч' | 'щ')
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: [Case; 6] =
        [Case::Nominative, Case::Genitive, Case::Dative, Case::Accusative, Case::Instrumental, Case::Prepositional];

    fn table(adjective: &str, noun: Noun) -> Vec<String> {
        CASES
            .iter()
            .map(|&case| {
                let adjective = agree(adjective, noun.gender(), case, noun.is_animate());
                format!("{adjective} {}", noun.decline(case))
            })
            .collect()
    }

    #[test]
    fn masculine_words_agree() {
        assert_eq!(
            table("старый", man("отец").stem("отц").stressed()),
            ["старый отец", "старого отца", "старому отцу", "старого отца", "старым отцом", "старом отце"]
        );
        assert_eq!(
            table("последний", thing("сценарий")),
            [
                "последний сценарий",
                "последнего сценария",
                "последнему сценарию",
                "последний сценарий",
                "последним сценарием",
                "последнем сценарии"
            ]
        );
        assert_eq!(table("шумный", thing("дворец").stem("дворц").stressed())[3], "шумный дворец");
        assert_eq!(table("шумный", thing("дворец").stem("дворц").stressed())[5], "шумном дворце");
        assert_eq!(table("чужой", thing("спектакль").male())[4], "чужим спектаклем");
        assert_eq!(table("тихий", man("учитель"))[3], "тихого учителя");
    }

    #[test]
    fn feminine_words_agree() {
        assert_eq!(
            table("хороший", thing("история")),
            [
                "хорошая история",
                "хорошей истории",
                "хорошей истории",
                "хорошую историю",
                "хорошей историей",
                "хорошей истории"
            ]
        );
        assert_eq!(table("летний", thing("ночь"))[3], "летнюю ночь");
        assert_eq!(table("летний", thing("ночь"))[4], "летней ночью");
        assert_eq!(table("большой", thing("семья").stressed())[4], "большой семьёй");
        assert_eq!(table("узкий", thing("улица"))[1], "узкой улицы");
        assert_eq!(table("узкий", thing("улица"))[4], "узкой улицей");
        assert_eq!(table("старый", thing("книга"))[1], "старой книги");
    }

    #[test]
    fn neuter_words_agree() {
        assert_eq!(table("синий", thing("море"))[0], "синее море");
        assert_eq!(table("дальний", thing("путешествие"))[5], "дальнем путешествии");
        assert_eq!(table("чужой", thing("письмо"))[4], "чужим письмом");
        assert_eq!(table("старый", thing("кладбище"))[1], "старого кладбища");
    }

    #[test]
    fn prepositions_take_a_vowel_before_a_cluster() {
        assert_eq!(preposition("в", "Владимире"), "во");
        assert_eq!(preposition("в", "городе"), "в");
        assert_eq!(preposition("с", "стройки"), "со");
        assert_eq!(preposition("с", "севера"), "с");
    }
}
