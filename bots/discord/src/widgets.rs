//! What people press and type into: buttons under messages, and the commands Discord offers.

use serenity::builder::{CreateActionRow, CreateButton, CreateCommand, CreateCommandOption};
use serenity::model::application::{ButtonStyle, CommandOptionType, InteractionContext};
use zaki_channel::{ChoiceLimits, TextLimit, Unit};
use zaki_envelope::{Choice, Part};

/// "An Action Row can contain … up to 5 Buttons", whose `custom_id` is 1-100 and whose label at most
/// 80 characters: <https://discord.com/developers/docs/components/reference>.
pub(crate) const CHOICES: ChoiceLimits = ChoiceLimits {
    count: 5,
    label: TextLimit { max: 80, unit: Unit::CodePoints },
    data: TextLimit { max: 100, unit: Unit::CodePoints },
};

/// One row of buttons.
pub(crate) fn buttons(parts: &[Part]) -> Vec<CreateActionRow> {
    let choices = parts.iter().find_map(|part| match part {
        Part::Choices { choices } => Some(choices),
        _ => None,
    });
    let button =
        |it: &Choice| CreateButton::new(&it.data).label(&it.label).style(ButtonStyle::Secondary);
    let row = |choices: &Vec<Choice>| choices.iter().map(button).collect();
    choices.map(|choices| CreateActionRow::Buttons(row(choices))).into_iter().collect()
}

/// A command with words behind it.
pub(crate) fn command(name: &str, about: &str, required: bool) -> CreateCommand {
    let words = CreateCommandOption::new(CommandOptionType::String, "message", "What to say")
        .required(required);
    CreateCommand::new(name)
        .description(about.chars().take(100).collect::<String>())
        .contexts(vec![InteractionContext::Guild, InteractionContext::BotDm])
        .add_option(words)
}
