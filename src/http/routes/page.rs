//! The first page.

use crate::http::router::PAGE;
use axum::response::Html;

/// A page
///
/// Shows one job in a browser.
#[utoipa::path(get, path = PAGE, operation_id = "page", tag = "Documents", responses((status = 200, body = String, content_type = "text/html", description = "The page.")))]
pub async fn first() -> Html<&'static str> {
    Html(include_str!("../page/index.html"))
}
