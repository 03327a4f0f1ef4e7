//! What a person sets for themselves: `/model`, `/mode`, `/lang`; and `/feedback`.

use zaki_envelope::Address;
use zaki_identity::Setting;
use zaki_lane::turns::Mode;
use zaki_words::{self as words, Lang, Voice};

use super::{Answer, Order, Silence, said};

async fn set(order: &Order<'_>, setting: Setting) -> Result<(), Silence> {
    let set = || order.hub.directory.set(order.user(), setting.clone());
    order.attempt("keep a person's setting", set).await
}

/// `/mode`: keeps the person's choice, or says what can be chosen.
pub(super) async fn mode(order: &Order<'_>, mode: Option<Mode>) -> Answer {
    let Some(mode) = mode else {
        let now = order.person.mode.as_ref().and_then(|mode| mode.parse().ok());
        let now = spoken(now.unwrap_or(order.hub.settings.mid_turn));
        return order.say(&words::Modes::Help { now });
    };
    set(order, Setting::Mode(Some(mode.as_str().to_owned()))).await?;
    order.say(&words::Modes::Set(spoken(mode)))
}

/// As the words know it.
pub(super) const fn spoken(mode: Mode) -> words::Mode {
    match mode {
        Mode::Queue => words::Mode::Queue,
        Mode::Steer => words::Mode::Steer,
        Mode::Interrupt => words::Mode::Interrupt,
    }
}

/// `/model`: which one answers, from the next turn on. An operator says what can be chosen.
pub(super) async fn model(order: &Order<'_>, name: Option<&str>) -> Answer {
    const DEFAULT: &str = "default";
    let models = &order.hub.models;
    let now = order.person.model.as_deref();
    if models.choices.is_empty() {
        return order.say(&words::Models::Fixed);
    }
    let names: Vec<&str> = models.names().collect();
    let Some(name) = name else {
        return order.say(&words::Models::List { now, models: &names });
    };
    if name.eq_ignore_ascii_case(DEFAULT) {
        set(order, Setting::Model(None)).await?;
        return order.say(&words::Models::Default);
    }
    let Some(model) = names.iter().find(|model| model.eq_ignore_ascii_case(name)) else {
        return order.say(&words::Models::Unknown { name, models: &names });
    };
    set(order, Setting::Model(Some((*model).to_owned()))).await?;
    order.say(&words::Models::Set { model })
}

/// `/lang`: in which language the hub talks to them. Answered in the new one.
pub(super) async fn lang(order: &Order<'_>, word: Option<&str>) -> Answer {
    let Some(word) = word else {
        return order.say(&words::Languages::List);
    };
    let Some(lang) = Lang::find(word) else {
        return order.say(&words::Languages::Unknown);
    };
    set(order, Setting::Lang(Some(lang.tag().to_owned()))).await?;
    order.hub.tongues.note(&Address::of(order.inbound), lang);
    said(&words::Languages::Set, Voice::on(lang, order.inbound.channel))
}

/// `/feedback`: kept for the operator.
pub(super) async fn feedback(order: &Order<'_>, text: Option<&str>) -> Answer {
    let Some(text) = text else {
        return order.say(&words::Feedback::Empty);
    };
    let keep = || order.hub.directory.feedback(order.user(), text, order.now);
    order.attempt("keep feedback", keep).await?;
    order.say(&words::Feedback::Thanks)
}
