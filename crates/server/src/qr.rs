//! QR codes of addresses: for a terminal, and for a page.

use qrcode::render::svg;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// Drawn with half blocks, dark on light whatever the terminal's colours are. `None` if the text is too long for one.
pub(crate) fn terminal(text: &str) -> Option<String> {
    /// Black on white, and back.
    const PAINTED: (&str, &str) = ("\x1b[30;107m", "\x1b[0m");
    let drawn = code(text)?.render::<Dense1x2>().build();
    let lines = drawn.lines().map(|line| {
        let (begin, end) = PAINTED;
        format!("    {begin}{line}{end}\n")
    });
    Some(lines.collect())
}

/// As an SVG picture.
pub(crate) fn picture(text: &str) -> Option<String> {
    let colour = |code: &'static str| svg::Color(code);
    let code = code(text)?;
    let mut renderer = code.render::<svg::Color<'_>>();
    renderer
        .dark_color(colour("#000"))
        .light_color(colour("#fff"))
        .min_dimensions(240, 240);
    Some(renderer.build())
}

/// An address is read from a screen, which is neither torn nor stained.
fn code(text: &str) -> Option<QrCode> {
    QrCode::with_error_correction_level(text, EcLevel::L).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_square_and_has_its_quiet_zone() {
        let drawn = terminal("http://192.168.1.20:3000/trust").unwrap();
        let first = drawn.lines().next().unwrap();
        let width = first.chars().filter(|it| " ▀▄█".contains(*it)).count() - 4;
        // Two rows a line; the indentation was subtracted.
        assert_eq!(drawn.lines().count(), width.div_ceil(2), "{drawn}");
        assert!(!first.contains('█') && !first.contains('▀'), "{drawn}");
        assert!(picture("x").unwrap().contains("<svg"));
        assert_eq!(terminal(&"x".repeat(5000)), None);
    }
}
