//! A chat that is looked at, not answered: what its pictures and its prompt become.

use super::request::{messages, view};
use crate::app::App;
use crate::error::Failure;
use crate::fields::Fields;
use crate::media::Near;
use smolvlm_processor::{Message, Plan, PlanOptions};
use std::sync::Arc;

/// The chat and its pictures, not fetched yet.
pub(crate) struct Showing {
    messages: Vec<Message>,
    pictures: Vec<Near>,
    options: PlanOptions,
}

impl Showing {
    /// Of the fields that a chat completion has for them.
    pub(crate) fn of(fields: &mut Fields<'_>, app: &App) -> Result<Showing, Failure> {
        app.check_model(fields.text("model")?)?;
        let mut said = messages(fields)?;
        let view = view(fields)?;
        let pictures = app.pictures(&mut said)?;
        let options = app.plan(view, said.detail);
        Ok(Showing { messages: said.messages, pictures, options })
    }

    /// The plan, however long.
    pub(crate) async fn plan(self, app: &Arc<App>) -> Result<Plan, Failure> {
        let Showing { messages, pictures, options } = self;
        let pictures = app.media.all(pictures).await?;
        app.aside(move |app| app.planned(&messages, &pictures, &options)).await
    }
}
