//! Tables as text and as one HTML page that needs nothing else.

use super::Table;
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
table{border-collapse:collapse;width:100%;margin:0 0 1.5rem}th,td{text-align:right;padding:.25rem .5rem;border-bottom:1px solid #ddd}\
th:first-child,td:first-child{text-align:left}h1{font-size:1.4rem}h2{font-size:1.1rem}p{color:#555}";

/// As aligned text.
pub fn text(heading: &str, tables: &[Table], notes: &[String]) -> String {
    let mut text = format!("{heading}\n");
    for table in tables {
        let _ = write!(text, "\n{}\n", table.title);
        let names: Vec<String> = table.columns.iter().map(ToString::to_string).collect();
        let lines: Vec<&Vec<String>> = std::iter::once(&names).chain(&table.rows).collect();
        let widths: Vec<usize> = (0..names.len())
            .map(|column| {
                lines
                    .iter()
                    .map(|line| line[column].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        for line in lines {
            let cells = line.iter().zip(&widths).enumerate();
            let cells: Vec<String> = cells
                .map(|(column, (cell, width))| match column {
                    0 => format!("{cell:<width$}"),
                    _ => format!("{cell:>width$}"),
                })
                .collect();
            let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
        }
    }
    text.push('\n');
    for note in notes {
        let _ = writeln!(text, "{note}");
    }
    text
}

/// As a page. Names come out of a config and out of requests, so every one is escaped.
pub fn html(heading: &str, tables: &[Table], notes: &[String]) -> String {
    let heading = escaped(heading);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{heading}</title><style>{STYLE}</style></head>\n<body><h1>{heading}</h1>\n"
    );
    for table in tables {
        let _ = write!(page, "<h2>{}</h2>\n<table><tr>", escaped(table.title));
        for column in &table.columns {
            let _ = write!(page, "<th>{}</th>", escaped(column));
        }
        page.push_str("</tr>\n");
        for row in &table.rows {
            let cells: String = row
                .iter()
                .map(|cell| format!("<td>{}</td>", escaped(cell)))
                .collect();
            let _ = writeln!(page, "<tr>{cells}</tr>");
        }
        page.push_str("</table>\n");
    }
    for note in notes {
        let _ = writeln!(page, "<p>{}</p>", escaped(note));
    }
    page.push_str("</body></html>\n");
    page
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_escapes_names_and_loads_nothing() {
        let table = Table {
            title: "By caller",
            columns: vec!["caller", "requests"],
            rows: vec![vec!["<script>\"&".to_owned(), "1".to_owned()]],
        };
        let page = html("a & b", std::slice::from_ref(&table), &["note".to_owned()]);
        assert!(page.contains("<td>&lt;script&gt;&quot;&amp;</td>") && page.contains("a &amp; b"));
        assert!(!page.contains("http") && !page.contains("<script") && !page.contains("src="));
        let text = text("heading", &[table], &[]);
        assert!(
            text.contains("  caller      requests\n  <script>\"&         1\n"),
            "{text}"
        );
    }
}
