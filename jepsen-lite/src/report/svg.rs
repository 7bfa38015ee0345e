//! Pictures as SVG text.

use std::fmt::Write;

/// What comes from a server is text, whatever it holds.
pub fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('\'', "&#39;")
}

/// An SVG element that is being drawn. Colours are classes of the page's style.
pub struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// Where a rectangle stands: x, y, width, height.
pub type Area = [f64; 4];

impl Svg {
    pub fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            body: String::new(),
        }
    }

    /// A rectangle; `title` is shown to who points at it.
    pub fn rect(&mut self, [x, y, width, height]: Area, class: &str, title: &str) {
        let width = width.max(0.0);
        // Writing to a string can't fail.
        let _ = write!(
            self.body,
            "<rect x='{x:.1}' y='{y:.1}' width='{width:.1}' height='{height:.1}' class='{class}'"
        );
        self.close("rect", title);
    }

    /// A rectangle in a colour of its own.
    pub fn coloured(&mut self, [x, y, width, height]: Area, colour: &str, title: &str) {
        let width = width.max(0.0);
        let _ = write!(
            self.body,
            "<rect x='{x:.1}' y='{y:.1}' width='{width:.1}' height='{height:.1}' rx='2' fill='{colour}'"
        );
        self.close("rect", title);
    }

    fn close(&mut self, element: &str, title: &str) {
        let end = match title {
            "" => "/>\n".to_owned(),
            title => format!("><title>{}</title></{element}>\n", escape(title)),
        };
        self.body.push_str(&end);
    }

    /// Words that begin, end or stand in the middle there, as the class says.
    pub fn text(&mut self, x: f64, y: f64, class: &str, words: &str) {
        let words = escape(words);
        let _ = writeln!(
            self.body,
            "<text x='{x:.1}' y='{y:.1}' class='{class}'>{words}</text>"
        );
    }

    /// A line.
    pub fn line(&mut self, [x, y]: [f64; 2], [to_x, to_y]: [f64; 2], class: &str) {
        let _ = writeln!(
            self.body,
            "<line x1='{x:.1}' y1='{y:.1}' x2='{to_x:.1}' y2='{to_y:.1}' class='{class}'/>"
        );
    }

    /// A line through points; it is broken where there is none.
    pub fn path(&mut self, points: impl Iterator<Item = Option<[f64; 2]>>, class: &str) {
        let mut path = String::new();
        let mut pen = 'M';
        for point in points {
            match point {
                Some([x, y]) => {
                    let _ = write!(path, "{pen}{x:.1} {y:.1}");
                    pen = 'L';
                }
                None => pen = 'M',
            }
        }
        let _ = writeln!(self.body, "<path d='{path}' class='{class}'/>");
    }

    /// The element.
    pub fn done(self, label: &str) -> String {
        let Self {
            width,
            height,
            body,
        } = self;
        let label = escape(label);
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' role='img' aria-label='{label}'>\n{body}</svg>\n"
        )
    }
}
