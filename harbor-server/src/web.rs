//! The web app inside the binary.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use std::sync::LazyLock;

/// One file of the app, as the build put it here.
struct Asset {
    path: &'static str,
    /// Hash of its content.
    etag: &'static str,
    /// Its name changes with its content.
    immutable: bool,
    raw: &'static [u8],
    br: Option<&'static [u8]>,
    gz: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/web_assets.rs"));

/// Scripts and WebAssembly from here alone; connections to any node, because a person chooses theirs.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{INLINE_SCRIPTS}; worker-src 'self' blob:; \
         style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; \
         connect-src 'self' ws: wss:; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
});

const NOT_BUILT: &str = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
<title>Harbor</title><h1>This Harbor Node runs</h1><p>It was built without the web app. To have the chat here, build the app first and \
then the node, in this order; <code>npm run build</code> does both:</p><pre>trunk build --release\ncargo build --release -p \
harbor-server</pre>";

/// Answers a request for a page or a file of the app.
pub(crate) fn answer(method: &Method, path: &str, headers: &HeaderMap) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", "only GET\n");
    }
    if ASSETS.is_empty() {
        return plain(StatusCode::NOT_FOUND, "text/html; charset=utf-8", NOT_BUILT);
    }
    match find(ASSETS, path) {
        Some(asset) => serve(asset, headers),
        None => plain(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "not found\n"),
    }
}

/// The file of that name; the page itself at the root, for the app routes by what stands after `#`.
fn find<'a>(assets: &'a [Asset], path: &str) -> Option<&'a Asset> {
    let named = |path: &str| assets.binary_search_by(|asset| asset.path.cmp(path)).ok().map(|at| &assets[at]);
    named(if path == "/" { "/index.html" } else { path })
}

fn serve(asset: &'static Asset, headers: &HeaderMap) -> Response<Body> {
    let (coding, bytes) = match (asset.br, asset.gz) {
        (Some(br), _) if accepts(headers, "br") => (Some("br"), br),
        (_, Some(gz)) if accepts(headers, "gzip") => (Some("gzip"), gz),
        _ => (None, asset.raw),
    };
    let etag = format!("\"{}-{}\"", asset.etag, coding.unwrap_or("raw"));
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let unchanged =
        known.flat_map(|value| value.split(',')).any(|tag| tag.trim().trim_start_matches("W/") == etag);
    let mut response = Response::new(if unchanged { Body::empty() } else { Body::from(bytes) });
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let cache = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    put(&mut response, header::CACHE_CONTROL, cache);
    put(&mut response, header::VARY, "accept-encoding");
    put(&mut response, header::ETAG, &etag);
    put(&mut response, header::CONTENT_TYPE, mime(asset.path));
    put(&mut response, header::CONTENT_SECURITY_POLICY, &POLICY);
    if let Some(coding) = coding {
        put(&mut response, header::CONTENT_ENCODING, coding);
    }
    response
}

fn plain(status: StatusCode, mime: &'static str, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    put(&mut response, header::CONTENT_TYPE, mime);
    put(&mut response, header::CONTENT_SECURITY_POLICY, &POLICY);
    response
}

fn put(response: &mut Response<Body>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// True when `Accept-Encoding` names `coding` and does not rule it out.
fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case(coding) && !refused
    })
}

fn mime(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn asset(path: &'static str, immutable: bool) -> Asset {
        Asset { path, etag: "abc", immutable, raw: b"raw content", br: Some(b"br"), gz: Some(b"gz") }
    }
    static APP: [Asset; 3] =
        [asset("/app-0123456789abcdef_bg.wasm", true), asset("/index.html", false), asset("/sw.js", false)];

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn files_by_name_and_the_page_at_the_root() {
        let path = |asked| find(&APP, asked).map(|asset| asset.path);
        assert_eq!(path("/sw.js"), Some("/sw.js"));
        assert_eq!(path("/"), Some("/index.html"));
        for missing in ["/missing.js", "/metrics", "/join", ""] {
            assert_eq!(path(missing), None, "{missing}");
        }
        assert_eq!(path("/../Cargo.toml"), None);
    }

    #[test]
    fn the_best_coding_that_is_accepted() {
        for (accepted, coding) in [
            ("gzip, deflate, br", Some("br")),
            ("gzip", Some("gzip")),
            ("br;q=0, gzip", Some("gzip")),
            ("identity", None),
        ] {
            let response = serve(&APP[0], &headers(&[(header::ACCEPT_ENCODING, accepted)]));
            let sent = response.headers().get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
            assert_eq!(sent, coding, "{accepted}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/wasm");
        }
    }

    #[test]
    fn hashed_names_are_kept_for_ever_and_the_page_never() {
        let cache = |asset| serve(asset, &HeaderMap::new()).headers()[header::CACHE_CONTROL].clone();
        assert!(cache(&APP[0]).to_str().is_ok_and(|value| value.contains("immutable")));
        assert_eq!(cache(&APP[1]), "no-cache");
        let known = headers(&[(header::IF_NONE_MATCH, "\"abc-raw\"")]);
        assert_eq!(serve(&APP[1], &known).status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn the_policy_is_one_line_and_strict() {
        let value = HeaderValue::from_str(&POLICY).expect("a header");
        let text = value.to_str().expect("ascii");
        assert!(
            text.contains("script-src 'self' 'wasm-unsafe-eval'") && text.contains("frame-ancestors 'none'"),
            "{text}"
        );
        assert!(!text.contains("'unsafe-eval'") && !text.contains("'unsafe-inline'"), "{text}");
    }

    #[test]
    fn without_the_app_the_page_says_how_to_build_it() {
        if ASSETS.is_empty() {
            let response = answer(&Method::GET, "/", &HeaderMap::new());
            assert_eq!(response.status(), StatusCode::NOT_FOUND);
        }
    }
}
