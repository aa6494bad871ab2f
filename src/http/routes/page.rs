//! The first page.

use axum::response::Html;

pub async fn first() -> Html<&'static str> {
    Html(include_str!("../page/index.html"))
}
