//! Reviews and comments: opinions, questions, and replies that answer.

use super::template::{Scene, sentence, sentences};
use crate::fakes::dice::{Dice, chance, under};

/// What a comment says, which decides how it may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// The writer liked it.
    Praise,
    /// The writer did not.
    Blame,
    /// Neither for nor against.
    Remark,
    /// A question to the others.
    Question,
    /// An answer to a question.
    Answer,
}

/// What a comment is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TalkTopic {
    /// A film.
    Film,
    /// A publication.
    Publication,
}

const PRAISE: &[&str] = &[
    "{watched}: {good+genre.nom}!",
    "{feel}, это {good+genre.nom}.",
    "{good+aspect.nom}, давно такого не видел{@|а}.",
    "Больше всего запомнилось вот что: {scene}.",
    "{film} теперь в списке любимых.",
    "Не ожидал{@|а}, что {aspect.nom} так зацепит.",
    "Смотрел{@|а} не отрываясь, хотя {bad+aspect.nom} местами мешает.",
    "Браво! {who} превзошёл сам себя.",
    "Плакал{@|а} в конце, не стыдно признаться.",
    "{good+aspect.nom} и {good+aspect.nom}, что ещё нужно для счастья.",
    "Советую всем, особенно если близка тема: {feeling.nom}.",
    "Десять лет прошло, а {film} не стареет.",
    "Ради {scene_gen} можно простить всё.",
    "Редкий случай, когда {+feeling.nom} не выглядит наигранно.",
    "Пересмотрел{@|а} трижды и каждый раз нахожу новое.",
    "Лучшее, что я видел{@|а} за этот год.",
    "Очень тёплое кино, после него хочется позвонить родным.",
    "Кто не видел фильм {film}, тому завидую.",
    "{who} большой молодец, {feel}.",
    "Сходите обязательно, {good+aspect.nom} того стоит.",
];

const BLAME: &[&str] = &[
    "{watched} и не понял{@|а} восторгов.",
    "{feel}, {bad+aspect.nom} всё портит.",
    "{bad+aspect.nom}, еле досидел{@|а} до конца.",
    "Ждал{@|а} большего, а получил{@|а} {bad+genre.acc}.",
    "Фильм {film} явно перехвалили.",
    "Выключил{@|а} через полчаса.",
    "{aspect.nom} просто никак{#ой|ая|ое}.",
    "Начало обещало многое, но потом {bad+aspect.nom} добил{#|а|о}.",
    "Зачем это снимали, если {aspect.nom} так{#ой|ая|ое} {=bad.nom}?",
    "Второй раз смотреть не стану.",
    "Два часа жизни мне никто не вернёт.",
    "Без {scene_gen} было бы лучше.",
    "Не верю ни одному слову, {bad+aspect.nom}.",
    "Книга была куда лучше.",
    "За что тут давать премии, ума не приложу.",
    "Уснул{@|а} где-то после {scene_gen}.",
];

const REMARK: &[&str] = &[
    "{watched}. Впечатления смешанные.",
    "{good+aspect.nom}, но {bad+aspect.nom}.",
    "Кино на один раз, хотя {+aspect.nom} запомнил{#ся|ась|ось}.",
    "Кстати, снимали это {+in}.",
    "Заметил{@|а}, что {object.nom} есть почти в каждой сцене.",
    "На любителя: {aspect.nom} здесь непривычн{#ый|ая|ое}.",
    "В переводе потерялась половина шуток.",
    "Интересно сравнить с ранними работами автора.",
    "Тут важнее не {event.nom}, а {feeling.nom}.",
    "Смотреть лучше без рекламы и в темноте.",
    "У нас в клубе после показа спорили до ночи.",
    "Обратите внимание, как меняется цвет после {scene_gen}.",
    "Первую половину хвалят зря, вторую ругают зря.",
    "{+hero.nom} получил{^ся|ась} живым человеком, остальные не очень.",
];

const FILM_QUESTIONS: &[&str] = &[
    "Кто-нибудь понял, зачем герою {object.nom}?",
    "А что стало с персонажем, которого показали в начале?",
    "Подскажите, где проходила съёмка {scene_gen}?",
    "Стоит ли смотреть с детьми?",
    "Чья музыка звучит во время {scene_gen}?",
    "Это экранизация или оригинальный сценарий?",
    "Будет ли продолжение, кто знает?",
    "Только мне показалось, что {aspect.nom} здесь {=bad.nom}?",
    "Как вы поняли финал?",
    "Где посмотреть со студенческой скидкой?",
    "Что ещё посмотреть тем, кому пришёлся по душе фильм {film}?",
    "Почему у картины так мало наград?",
    "А вам кого больше жаль: героя или тех, кто рядом?",
    "Есть ли полная версия, без сокращений?",
];

const PUBLICATION_QUESTIONS: &[&str] = &[
    "Автор, а вы сами сколько раз смотрели фильм {film}?",
    "Откуда сведения про съёмки?",
    "Не слишком ли вы строги, ведь {aspect.nom} {#хорош|хороша|хорошо}?",
    "А почему ни слова о музыке?",
    "Будет ли разбор других картин того же режиссёра?",
    "Где можно прочитать сценарий целиком?",
    "Вы правда считаете, что {aspect.nom} здесь {=good.nom}?",
    "Подскажите, с какого фильма лучше начать знакомство с автором?",
    "А что скажете про последнюю сцену?",
];

const PUBLICATION_OPINIONS: &[&str] = &[
    "Спасибо за текст, после него захотелось пересмотреть картину {film}.",
    "Хороший разбор, особенно там, где речь о монтаже.",
    "Не соглас{@ен|на} с автором: {aspect.nom} тут ни при чём.",
    "Наконец-то кто-то сказал это вслух.",
    "Многовато общих слов, маловато примеров.",
    "Прочитал{@|а} на одном дыхании.",
    "Интересно, но {feel}, {bad+aspect.nom} заслуживает большего внимания.",
    "Статью сохраню, пригодится для курсовой.",
    "Насчёт {scene_gen} подмечено очень точно.",
    "Спорно, хотя написано живо.",
    "Предупреждайте о спойлерах, пожалуйста!",
    "Ещё бы пару слов о том, как работает {+aspect.nom}.",
    "После такой рецензии на фильм точно пойду.",
    "Слишком мягко, {film} заслуживает критики.",
];

const AGREE: &[&str] = &[
    "Полностью соглас{@ен|на}, {aspect.nom} на высоте.",
    "Да, у меня те же впечатления.",
    "Именно так, лучше не скажешь.",
    "Поддерживаю, особенно про это: {aspect.nom}.",
    "Вот и я о том же говорил{@|а} друзьям.",
    "Плюсую, хотя без {scene_gen} обошлось бы.",
    "Точно! И ещё {good+aspect.nom}.",
    "Рад{@|а}, что не мне {@одному|одной} так кажется.",
    "Вы прямо мои мысли прочитали.",
];

const OBJECT: &[&str] = &[
    "Не соглас{@ен|на}, {aspect.nom} как раз {=good.nom}.",
    "Вы, наверное, невнимательно смотрели.",
    "А по-моему, всё наоборот: {bad+aspect.nom}.",
    "О вкусах не спорят, но фильм {film} вы недооценили.",
    "Попробуйте пересмотреть, со второго раза {aspect.nom} открывается иначе.",
    "Странно, у меня совсем другое впечатление.",
    "Слишком строго. Где вы видели {good+aspect.acc}?",
    "Позвольте возразить: {+feeling.nom} показан{#|а|о} честно.",
    "Ну нет, ради {scene_gen} стоило снимать.",
    "Вот тут вы зря, {who} как раз справился.",
];

const ANSWERS: &[&str] = &[
    "Насколько помню, это объясняют после {scene_gen}.",
    "Снимали, кажется, {+in}.",
    "Я понял{@|а} так: {+feeling.nom} важнее любых объяснений.",
    "Отвечу как человек, который смотрел трижды: всё дело в том, что {hero.nom} {^ошибся|ошиблась}.",
    "Это оригинальный сценарий, автор сам рассказывал.",
    "Продолжение обещали, но точной даты нет.",
    "Есть на двух площадках, скидка студентам действует.",
    "С детьми постарше можно, страшного там мало.",
    "Никто точно не знает, режиссёр специально не объясняет.",
    "Посмотрите в титрах, там указано.",
    "По-моему, ответ даёт {scene}.",
    "Об этом был отдельный материал, поищите на сайте.",
];

const THANKS: &[&str] = &[
    "Спасибо, теперь понятно!",
    "О, не знал{@|а}, спасибо за подсказку.",
    "Благодарю, пересмотрю с этой мыслью.",
    "Вот оно что! А я гадал{@|а}.",
    "Понял{@|а}, спасибо за ответ.",
    "Убедили, попробую ещё раз.",
];

/// A comment of its own on a topic: the text and its tone. `warmth` is how
/// good the subject is held to be, in per cent.
pub fn comment(topic: TalkTopic, warmth: u32, scene: &Scene<'_>, dice: &mut Dice) -> (Tone, String) {
    if chance(22, dice) {
        let questions = match topic {
            TalkTopic::Film => FILM_QUESTIONS,
            TalkTopic::Publication => PUBLICATION_QUESTIONS,
        };
        return (Tone::Question, sentence(questions, scene, dice));
    }
    if topic == TalkTopic::Publication && chance(65, dice) {
        return (Tone::Remark, sentence(PUBLICATION_OPINIONS, scene, dice));
    }
    let (tone, list) = if chance(20, dice) {
        (Tone::Remark, REMARK)
    } else if chance(warmth, dice) {
        (Tone::Praise, PRAISE)
    } else {
        (Tone::Blame, BLAME)
    };
    let count = 1 + under(3, dice);
    (tone, sentences(count, list, scene, dice))
}

/// A reply that answers a comment of a tone.
pub fn reply(to: Tone, scene: &Scene<'_>, dice: &mut Dice) -> (Tone, String) {
    let (tone, list) = match to {
        Tone::Question => (Tone::Answer, ANSWERS),
        Tone::Answer if chance(60, dice) => (Tone::Remark, THANKS),
        Tone::Praise if chance(60, dice) => (Tone::Praise, AGREE),
        Tone::Praise => (Tone::Blame, OBJECT),
        Tone::Blame if chance(45, dice) => (Tone::Blame, AGREE),
        Tone::Blame => (Tone::Praise, OBJECT),
        _ if chance(50, dice) => (Tone::Remark, AGREE),
        _ => (Tone::Remark, OBJECT),
    };
    (tone, sentence(list, scene, dice))
}
