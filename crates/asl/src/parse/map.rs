//! `Map` states.

use super::Parser;
use super::fields::{Allowed, Fields, In};
use super::query::Sees;
use crate::Template;
use crate::diagnostic::code;
use crate::machine::{
    Block, ItemBatcher, ItemReader, Items, Map, MapMode, QueryLanguage, ResultWriter, Setting,
};
use sluice_expression::Value;
use std::sync::Arc;

/// Longest label of a map, in characters: AWS's limit.
const LABEL_CHARS_MAX: usize = 40;
/// Most iterations at once, items of a batch and the like: AWS's limit of integers.
const COUNT_MAX: u64 = i32::MAX as u64;

pub(super) const MAP: &[Allowed] = &[
    ("ItemBatcher", In::Both),
    ("ItemProcessor", In::Both),
    ("ItemReader", In::Both),
    ("ItemSelector", In::Both),
    ("Items", In::Jsonata),
    ("ItemsPath", In::JsonPath),
    ("Iterator", In::Both),
    ("Label", In::Both),
    ("MaxConcurrency", In::Both),
    ("MaxConcurrencyPath", In::JsonPath),
    ("ResultWriter", In::Both),
    ("ToleratedFailureCount", In::Both),
    ("ToleratedFailureCountPath", In::JsonPath),
    ("ToleratedFailurePercentage", In::Both),
    ("ToleratedFailurePercentagePath", In::JsonPath),
];
const PROCESSOR: &[Allowed] =
    &[("Comment", In::Both), ("ProcessorConfig", In::Both), ("StartAt", In::Both), ("States", In::Both)];
const PROCESSOR_CONFIG: &[Allowed] = &[("ExecutionType", In::Both), ("Mode", In::Both)];
const READER: &[Allowed] = &[
    ("Arguments", In::Jsonata),
    ("Parameters", In::JsonPath),
    ("ReaderConfig", In::Both),
    ("Resource", In::Both),
];
const READER_CONFIG: &[Allowed] = &[
    ("CSVDelimiter", In::Both),
    ("CSVHeaderLocation", In::Both),
    ("CSVHeaders", In::Both),
    ("InputType", In::Both),
    ("ItemsPointer", In::Both),
    ("ManifestType", In::Both),
    ("MaxItems", In::Both),
    ("MaxItemsPath", In::JsonPath),
    ("Transformation", In::Both),
];
const BATCHER: &[Allowed] = &[
    ("BatchInput", In::Both),
    ("MaxInputBytesPerBatch", In::Both),
    ("MaxInputBytesPerBatchPath", In::JsonPath),
    ("MaxItemsPerBatch", In::Both),
    ("MaxItemsPerBatchPath", In::JsonPath),
];
const WRITER: &[Allowed] = &[
    ("Arguments", In::Jsonata),
    ("Parameters", In::JsonPath),
    ("Resource", In::Both),
    ("WriterConfig", In::Both),
];
const WRITER_CONFIG: &[Allowed] = &[("OutputType", In::Both), ("Transformation", In::Both)];

impl Parser<'_> {
    pub(super) fn map(&mut self, fields: &Fields<'_>, query: QueryLanguage) -> Option<Map> {
        let (processor, mode) = self.processor(fields).unzip();
        if mode == Some(MapMode::Inline) {
            self.refuse_distributed_fields(fields);
        }
        self.exclusive(fields, &["ItemSelector", "Parameters"]);
        let selector = if fields.has("ItemSelector") { "ItemSelector" } else { "Parameters" };
        let max_concurrency = self.integer_setting(fields, "MaxConcurrency", 0..=COUNT_MAX, query);
        let percentage = self.number_setting(fields, "ToleratedFailurePercentage", 0.0..=100.0, query);
        Some(Map {
            items: self.items(fields, query),
            reader: self.reader(fields, query),
            item_selector: self.template(fields, selector, query, Sees::INPUT),
            batcher: self.batcher(fields, query),
            max_concurrency: max_concurrency.unwrap_or(Setting::Fixed(0)),
            tolerated_failure_count: self.integer_setting(
                fields,
                "ToleratedFailureCount",
                0..=COUNT_MAX,
                query,
            ),
            tolerated_failure_percentage: percentage,
            writer: self.writer(fields, query),
            label: self.label(fields),
            processor: processor??,
            mode: mode?,
        })
    }

    /// `ItemProcessor`, or its old name `Iterator`. The states in it start from the machine's query language.
    fn processor(&mut self, fields: &Fields<'_>) -> Option<(Option<Block>, MapMode)> {
        if !self.exclusive(fields, &["ItemProcessor", "Iterator"]) {
            return None;
        }
        let name = if fields.has("Iterator") { "Iterator" } else { "ItemProcessor" };
        self.require(fields, &[name]);
        let node = fields.get(name)?;
        let processor = self.fields(node, fields.place.field(name), &[PROCESSOR], self.language)?;
        let mode = self.mode(&processor);
        let outer = self.express;
        self.express |= mode == MapMode::Distributed { express: true };
        let block = self.block(&processor);
        self.express = outer;
        Some((block, mode))
    }

    fn mode(&mut self, processor: &Fields<'_>) -> MapMode {
        let Some(node) = processor.get("ProcessorConfig") else { return MapMode::Inline };
        let place = processor.place.field("ProcessorConfig");
        let Some(config) = self.fields(node, place, &[PROCESSOR_CONFIG], self.language) else {
            return MapMode::Inline;
        };
        let mode = self.word(&config, "Mode", &["INLINE", "DISTRIBUTED"]);
        let execution = self.word(&config, "ExecutionType", &["STANDARD", "EXPRESS"]);
        if mode != Some("DISTRIBUTED") {
            return MapMode::Inline;
        }
        self.require(&config, &["ExecutionType"]);
        if self.express {
            let message = "Express state machine does not support Map states of Mode DISTRIBUTED";
            self.schema(&config.place, config.at, message.into());
        }
        MapMode::Distributed { express: execution == Some("EXPRESS") }
    }

    fn refuse_distributed_fields(&mut self, fields: &Fields<'_>) {
        // Labels and tolerated failures are accepted by AWS, and mean nothing there.
        const DISTRIBUTED: [&str; 3] = ["ItemBatcher", "ItemReader", "ResultWriter"];
        for field in fields.iter().filter(|field| DISTRIBUTED.contains(&&*field.name)) {
            let message =
                format!("Field '{}' is only supported for Map states of Mode DISTRIBUTED", field.name);
            self.schema(&fields.place, field.at, message);
        }
    }

    fn items(&mut self, fields: &Fields<'_>, query: QueryLanguage) -> Option<Items> {
        match query {
            QueryLanguage::JsonPath => self.some_path(fields, "ItemsPath").map(Items::Path),
            QueryLanguage::Jsonata => {
                let items = self.template(fields, "Items", query, Sees::INPUT)?;
                if let (Template::Fixed(value), Some(node)) = (&items, fields.get("Items"))
                    && value.as_array().is_none()
                {
                    self.mistyped(fields, "Items", node, "an array or a JSONata expression");
                }
                Some(Items::Template(items))
            }
        }
    }

    fn reader(&mut self, fields: &Fields<'_>, query: QueryLanguage) -> Option<ItemReader> {
        let place = fields.place.field("ItemReader");
        let reader = self.fields(fields.get("ItemReader")?, place, &[READER], query)?;
        self.require(&reader, &["Resource"]);
        let resource = self.text(&reader, "Resource");
        let arguments = self.parameters_or_arguments(&reader, query);
        let mut compiled = ItemReader {
            resource: resource?,
            arguments,
            input_type: None,
            config: Value::object(Default::default()),
            max_items: None,
        };
        if let Some(node) = reader.get("ReaderConfig") {
            let config = self.fields(node, reader.place.field("ReaderConfig"), &[READER_CONFIG], query)?;
            let types = ["CSV", "JSON", "JSONL", "MANIFEST", "PARQUET"];
            compiled.input_type = self.word(&config, "InputType", &types).map(Arc::from);
            self.word(&config, "CSVHeaderLocation", &["FIRST_ROW", "GIVEN"]);
            self.word(&config, "CSVDelimiter", &["COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"]);
            self.word(&config, "ManifestType", &["ATHENA_DATA", "S3_INVENTORY"]);
            self.word(&config, "Transformation", &["NONE", "LOAD_AND_FLATTEN"]);
            compiled.max_items = self.integer_setting(&config, "MaxItems", 1..=COUNT_MAX, query);
            compiled.config = node.value();
        }
        Some(compiled)
    }

    fn batcher(&mut self, fields: &Fields<'_>, query: QueryLanguage) -> Option<ItemBatcher> {
        let place = fields.place.field("ItemBatcher");
        let batcher = self.fields(fields.get("ItemBatcher")?, place, &[BATCHER], query)?;
        let compiled = ItemBatcher {
            max_items: self.integer_setting(&batcher, "MaxItemsPerBatch", 1..=COUNT_MAX, query),
            max_bytes: self.integer_setting(&batcher, "MaxInputBytesPerBatch", 1..=COUNT_MAX, query),
            input: self.template(&batcher, "BatchInput", query, Sees::INPUT),
        };
        if !batcher.iter().any(|field| field.name.starts_with("Max")) {
            let message = "One of these fields is required: [MaxItemsPerBatch, MaxInputBytesPerBatch]";
            self.schema(&batcher.place, batcher.at, message.into());
        }
        Some(compiled)
    }

    fn writer(&mut self, fields: &Fields<'_>, query: QueryLanguage) -> Option<ResultWriter> {
        let place = fields.place.field("ResultWriter");
        let writer = self.fields(fields.get("ResultWriter")?, place, &[WRITER], query)?;
        if !writer.has("WriterConfig") {
            self.require(&writer, &["Resource"]);
        }
        let mut config = Value::object(Default::default());
        if let Some(node) = writer.get("WriterConfig") {
            let fields = self.fields(node, writer.place.field("WriterConfig"), &[WRITER_CONFIG], query)?;
            self.word(&fields, "OutputType", &["JSON", "JSONL"]);
            self.word(&fields, "Transformation", &["NONE", "COMPACT", "FLATTEN"]);
            config = node.value();
        }
        let resource = self.text(&writer, "Resource");
        Some(ResultWriter { resource, arguments: self.parameters_or_arguments(&writer, query), config })
    }

    fn parameters_or_arguments(&mut self, fields: &Fields<'_>, query: QueryLanguage) -> Option<Template> {
        let name = if query == QueryLanguage::Jsonata { "Arguments" } else { "Parameters" };
        self.template(fields, name, query, Sees::INPUT)
    }

    fn label(&mut self, fields: &Fields<'_>) -> Option<Arc<str>> {
        let label = self.text(fields, "Label")?;
        let (place, at) = (fields.place.field("Label"), fields.at("Label"));
        let refused = |c: char| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c);
        if label.is_empty() || label.chars().count() > LABEL_CHARS_MAX || label.contains(refused) {
            let message = format!(
                "The label '{label}' must have 1 to {LABEL_CHARS_MAX} characters, no white space, brackets, wildcards or \
                 special characters among them"
            );
            self.error(code::INVALID_LABEL_NAME, Some(&place), at, message);
        } else if !self.labels.insert(label.clone()) {
            self.error(
                code::DUPLICATE_LABEL_NAME,
                Some(&place),
                at,
                format!("Duplicate Label name: {label}"),
            );
        }
        Some(label)
    }
}
