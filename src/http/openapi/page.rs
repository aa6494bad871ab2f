//! The document, to read: one page, made when it is first asked for. No script; its style is its own, and its policy
//! names that style by its hash, so that nothing else is let in.

use super::document;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::sync::LazyLock;

const STYLE: &str = include_str!("docs.css");

static PAGE: LazyLock<String> = LazyLock::new(|| page(document()));

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

pub fn text() -> &'static str {
    &PAGE
}

/// What a browser is to let the page do.
pub fn policy() -> &'static str {
    &POLICY
}

fn page(document: &Value) -> String {
    let info = &document["info"];
    let title = format!("{} {}", text_of(&info["title"]), text_of(&info["version"]));
    let mut index = String::new();
    let mut main = String::new();
    for tag in items(&document["tags"]) {
        let name = text_of(&tag["name"]);
        let _ = write!(index, "<li>{}<ul>", escaped(name));
        let _ = write!(main, "<h2>{}</h2>{}", escaped(name), prose(&tag["description"]));
        for (path, method, operation) in operations(document, name) {
            let id = text_of(&operation["operationId"]);
            let _ = write!(index, "<li><a href=\"#{id}\">{}</a></li>", escaped(text_of(&operation["summary"])));
            main += &section(document, path, method, operation);
        }
        index += "</ul></li>";
    }
    index += "<li><a href=\"#shapes\">Shapes</a></li><li><a href=\"#access\">Access</a></li>";
    main += &shapes(document);
    main += &access(document);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>{title}</h1>{}<p><a href=\"openapi.json\">openapi.json</a> is the same for programs.</p></header>\n\
         <nav aria-label=\"Contents\"><ul>{index}</ul></nav>\n<main>{main}</main>\n</body>\n</html>\n",
        prose(&info["description"])
    )
}

fn operations<'a>(document: &'a Value, tag: &'a str) -> impl Iterator<Item = (&'a str, &'a str, &'a Value)> {
    let methods = members(&document["paths"])
        .flat_map(|(path, methods)| members(methods).map(move |(method, operation)| (path, method, operation)));
    methods.filter(move |(_, _, operation)| items(&operation["tags"]).any(|of| *of == tag))
}

fn section(document: &Value, path: &str, method: &str, operation: &Value) -> String {
    let id = text_of(&operation["operationId"]);
    let mut html = format!(
        "<section id=\"{id}\"><h3>{}</h3><p class=\"route\"><b>{}</b> <code>{}</code></p>{}",
        escaped(text_of(&operation["summary"])),
        method.to_uppercase(),
        escaped(path),
        prose(&operation["description"])
    );
    let schemes: Vec<_> = items(&operation["security"]).flat_map(members).map(|(name, _)| name).collect();
    if !schemes.is_empty() {
        let _ = write!(html, "<p>Access: <a href=\"#access\">{}</a></p>", schemes.join(" or "));
    }
    if items(&operation["parameters"]).next().is_some() {
        html += "<h4>Parameters</h4><dl>";
        for parameter in items(&operation["parameters"]) {
            let needed = if parameter["required"] == true { ", required" } else { "" };
            let place = format!("{}{needed}: {}", text_of(&parameter["in"]), kind(&parameter["schema"]));
            html += &entry(text_of(&parameter["name"]), &place, &parameter["description"]);
        }
        html += "</dl>";
    }
    for (media, content) in members(&operation["requestBody"]["content"]) {
        let _ = write!(html, "<h4>Body</h4><p><code>{}</code>: {}</p>", escaped(media), kind(&content["schema"]));
        html += &example(document, content);
    }
    html += "<h4>Answers</h4><dl>";
    for (status, answer) in members(&operation["responses"]) {
        let bodies: Vec<_> = members(&answer["content"])
            .map(|(media, content)| format!("<code>{}</code>: {}", escaped(media), kind(&content["schema"])))
            .collect();
        let headers: Vec<_> =
            members(&answer["headers"]).map(|(name, _)| format!("<code>{}</code>", escaped(name))).collect();
        let _ =
            write!(html, "<dt>{status} <small>{}</small></dt><dd>{}", bodies.join(", "), prose(&answer["description"]));
        let _ = write!(html, "<p><small>Headers: {}</small></p>", headers.join(", "));
        if status.starts_with('2') {
            html += &members(&answer["content"]).map(|(_, content)| example(document, content)).collect::<String>();
        }
        html += "</dd>";
    }
    html + "</dl></section>"
}

fn shapes(document: &Value) -> String {
    let mut html = "<h2 id=\"shapes\">Shapes</h2>".to_owned();
    for (name, schema) in members(&document["components"]["schemas"]) {
        let _ = write!(html, "<section id=\"shape-{name}\"><h3>{name}</h3>{}", prose(&schema["description"]));
        if schema["properties"].is_null() {
            let _ = write!(html, "<p>{}</p>", kind(schema));
        } else {
            html += "<dl>";
            for (member, of) in members(&schema["properties"]) {
                let needed = items(&schema["required"]).any(|required| required == member);
                let shape = format!("{}{}", kind(of), if needed { "" } else { ", may be left out" });
                html += &entry(member, &shape, &of["description"]);
            }
            html += "</dl>";
            if schema["additionalProperties"] == false {
                html += "<p>Nothing else is taken.</p>";
            }
        }
        html += "</section>";
    }
    html
}

fn access(document: &Value) -> String {
    let schemes = members(&document["components"]["securitySchemes"]);
    let told = schemes.map(|(name, scheme)| {
        let header = scheme["name"].as_str().unwrap_or("Authorization: Bearer");
        entry(name, &format!("<code>{}</code>", escaped(header)), &scheme["description"])
    });
    format!("<h2 id=\"access\">Access</h2><dl>{}</dl>", told.collect::<String>())
}

/// `kind` is HTML already.
fn entry(name: &str, kind: &str, description: &Value) -> String {
    format!("<dt><code>{}</code> <small>{kind}</small></dt><dd>{}</dd>", escaped(name), prose(description))
}

fn example(document: &Value, content: &Value) -> String {
    let name = content["schema"]["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    let shape = name.map(|name| &document["components"]["schemas"][name]["example"]);
    let text = match (&content["example"], shape) {
        (Value::Null, None | Some(Value::Null)) => return String::new(),
        (Value::String(text), _) => text.clone(),
        (Value::Null, Some(value)) | (value, _) => format!("{value:#}"),
    };
    format!("<details><summary>Example</summary><pre tabindex=\"0\">{}</pre></details>", escaped(&text))
}

/// What a value is, with its limits, as HTML.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#shape-{name}\">{name}</a>");
    }
    let joined =
        |of: &Value, word: &str| items(of).map(kind).filter(|kind| !kind.is_empty()).collect::<Vec<_>>().join(word);
    for (combined, word) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " with ")] {
        if !schema[combined].is_null() {
            return joined(&schema[combined], word);
        }
    }
    let mut told = match &schema["type"] {
        Value::Array(types) => types.iter().map(text_of).collect::<Vec<_>>().join(" or "),
        other => text_of(other).to_owned(),
    };
    if !schema["items"].is_null() {
        told = format!("{told} of {}", kind(&schema["items"]));
    }
    if !schema["enum"].is_null() {
        told = items(&schema["enum"])
            .map(|word| format!("<code>{}</code>", escaped(text_of(word))))
            .collect::<Vec<_>>()
            .join(", ");
    }
    for (limit, word) in [
        ("format", ""),
        ("minimum", "from "),
        ("maximum", "to "),
        ("minLength", "at least "),
        ("maxLength", "at most "),
    ] {
        match &schema[limit] {
            Value::String(name) => told.extend([", ", word, &escaped(name)]),
            Value::Number(number) => told.extend([", ", word, &number.to_string()]),
            _ => {}
        }
    }
    told
}

/// Paragraphs, lists and code, of the little Markdown that descriptions use.
fn prose(description: &Value) -> String {
    let Some(text) = description.as_str() else { return String::new() };
    let block = |block: &str| match block.strip_prefix("- ") {
        Some(list) => format!(
            "<ul>{}</ul>",
            list.split("\n- ")
                .flat_map(|item| ["<li>".to_owned(), inline(item), "</li>".to_owned()])
                .collect::<String>()
        ),
        None => format!("<p>{}</p>", inline(block)),
    };
    text.split("\n\n").map(block).collect()
}

fn inline(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts.map(|(n, part)| if n % 2 == 1 { format!("<code>{}</code>", escaped(part)) } else { escaped(part) }).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
