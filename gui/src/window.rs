//! The one window. It shows our own pages and never goes anywhere else.

use tauri::webview::{NewWindowResponse, PermissionKind, PermissionResponse};
use tauri::{AppHandle, Manager, Url, WebviewUrl, WebviewWindowBuilder, WindowEvent};

const LABEL: &str = "main";
const SIZE: (f64, f64) = (1080.0, 760.0);
const SIZE_MIN: (f64, f64) = (380.0, 480.0);

/// Makes the window; hidden, it still keeps the tray and the notifications up to date.
///
/// # Errors
/// The desktop's toolkit refused.
pub(crate) fn create(app: &AppHandle, hidden: bool) -> tauri::Result<()> {
    let window = WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App("index.html".into()))
        .title("Holloway")
        .inner_size(SIZE.0, SIZE.1)
        .min_inner_size(SIZE_MIN.0, SIZE_MIN.1)
        .visible(!hidden)
        .on_navigation(is_our_own)
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .on_permission_request(|_, kind| {
            // The pages ask for the camera when somebody wants to scan an invite, and for nothing else.
            let is_scan = kind == PermissionKind::Camera;
            if is_scan { PermissionResponse::Allow } else { PermissionResponse::Deny }
        })
        .build()?;
    let hiding = window.clone();
    window.on_window_event(move |event| {
        if let WindowEvent::CloseRequested { api, .. } = event {
            api.prevent_close();
            // The tray brings it back, and so does starting the application again.
            let _ = hiding.hide();
        }
    });
    Ok(())
}

/// Brings the window to the front.
pub(crate) fn show(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(LABEL) {
        let _ = window.show();
        let _ = window.unminimize();
        let _ = window.set_focus();
    }
}

fn is_our_own(url: &Url) -> bool {
    let is_development = cfg!(dev) && url.host_str() == Some("localhost") && url.port() == Some(5173);
    (url.scheme() == "tauri" && url.host_str() == Some("localhost")) || is_development
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_goes_nowhere_else() {
        assert!(is_our_own(&"tauri://localhost/members/bob".parse().unwrap()));
        for url in [
            "https://example.org/",
            "http://bob.home.alt/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "data:text/html,x",
            "about:blank",
            "tauri://elsewhere/",
        ] {
            assert!(!is_our_own(&url.parse().unwrap()), "{url}");
        }
    }
}
