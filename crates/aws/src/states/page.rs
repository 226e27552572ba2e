//! Lists in pages.

use super::fault::Fault;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

/// Items in a page whose size nobody asked for.
const PAGE_DEFAULT: usize = 100;

/// Which page of a list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// Most items in it; 0 for the default.
    pub max_results: Option<usize>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

impl Page {
    /// Most items in it.
    pub fn limit(&self) -> usize {
        self.max_results.filter(|most| *most > 0).unwrap_or(PAGE_DEFAULT)
    }

    /// The cursor that a page before gave away.
    pub fn cursor(&self) -> Result<Option<u64>, Fault> {
        let Some(token) = &self.next_token else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(token).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let cursor = text.and_then(|text| text.strip_prefix("at:")?.parse().ok());
        cursor.map(Some).ok_or_else(|| Fault::new("InvalidToken", format!("Invalid Token: '{token}'")))
    }
}

/// A cursor as clients hold it.
pub fn token(cursor: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("at:{cursor}"))
}

/// One page of a list that is there as a whole.
pub fn paged(name: &str, page: &Page, all: Vec<Value>) -> Result<Value, Fault> {
    let (limit, from) = (page.limit(), page.cursor()?.unwrap_or(0) as usize);
    let left = all.len().saturating_sub(from);
    let shown: Vec<Value> = all.into_iter().skip(from).take(limit).collect();
    let mut answer = json!({name: shown});
    if left > limit {
        answer["nextToken"] = json!(token((from + limit) as u64));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_and_end() {
        let all: Vec<Value> = (0..5).map(Value::from).collect();
        let mut page = Page { max_results: Some(2), next_token: None };
        let mut seen = Vec::new();
        loop {
            let answer = paged("items", &page, all.clone()).expect("a page");
            seen.extend(answer["items"].as_array().expect("a list").clone());
            page.next_token = answer["nextToken"].as_str().map(str::to_owned);
            if page.next_token.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn wrong_tokens_are_refused() {
        let wrong = Page { max_results: None, next_token: Some("nonsense".into()) };
        assert_eq!(wrong.cursor().map_err(|fault| fault.name), Err("InvalidToken"));
    }
}
