//! `POST /v1/plan`: what a chat's pictures would become and cost, without asking the model.

use crate::app::App;
use crate::chat::Showing;
use crate::error::Failure;
use crate::fields::Fields;
use crate::reply::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use serde_json::json;
use smolvlm_processor::PicturePlan;
use std::sync::Arc;

/// The endpoint.
pub(crate) async fn plan(State(app): State<Arc<App>>, request: Request<Body>) -> Result<Json, Failure> {
    let body = app.bodies.read(request).await?;
    let (showing, room) = app
        .aside(move |app| {
            let value = body.json()?;
            let mut fields = Fields::of(&value, "")?;
            let showing = Showing::of(&mut fields, app)?;
            fields.finish()?;
            Ok((showing, body.room))
        })
        .await?;
    let _room = room;
    let plan = showing.plan(&app).await?;
    let processor = app.engine().processor();
    let picture = |picture: &PicturePlan| {
        json!({
            "width": picture.width,
            "height": picture.height,
            "resized": [picture.resized.0, picture.resized.1],
            "refined": [picture.refined.0, picture.refined.1],
            "rows": picture.rows,
            "cols": picture.cols,
            "tiles": picture.tiles,
            "tile": picture.tile,
            "tokens": picture.tiles as usize * processor.tokens_per_tile(),
        })
    };
    let (prompt, context) = (plan.ids.len(), processor.context());
    Ok(Json(json!({
        "object": "plan",
        "model": app.name(),
        "pictures": plan.pictures.iter().map(picture).collect::<Vec<_>>(),
        "tiles": plan.tiles,
        "image_tokens": plan.image_tokens,
        "prompt_tokens": prompt,
        "context": context,
        "fits": prompt < context,
    })))
}
