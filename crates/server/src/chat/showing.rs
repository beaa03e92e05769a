//! A chat that is looked at, not answered: what its pictures and its prompt become.

use super::request::{messages, view};
use crate::app::{App, Shown};
use crate::clips::Depth;
use crate::error::Failure;
use crate::fields::Fields;
use smolvlm_processor::{Message, Plan, PlanOptions};
use std::sync::Arc;

/// The chat and what it shows, not fetched yet.
pub(crate) struct Showing {
    messages: Vec<Message>,
    shown: Shown,
    options: PlanOptions,
}

impl Showing {
    /// Of the fields that a chat completion has for them.
    pub(crate) fn of(fields: &mut Fields<'_>, app: &App) -> Result<Showing, Failure> {
        app.check_model(fields.text("model")?)?;
        let mut said = messages(fields)?;
        let view = view(fields)?;
        let shown = app.shown(&mut said)?;
        let options = app.plan(view, said.detail);
        Ok(Showing { messages: said.messages, shown, options })
    }

    /// The plan, however long.
    pub(crate) async fn plan(self, app: &Arc<App>) -> Result<Plan, Failure> {
        let Showing { messages, shown, options } = self;
        let (messages, pictures) = app.fetched(messages, shown, Depth::Sizes).await?;
        app.aside(move |app| app.planned(&messages, &pictures, &options)).await
    }
}
