//! `ItemReader`: the items in a file, in the files that a manifest names, or in a listing.

use super::format::Format;
use super::gathering::Gathering;
use super::{Error, Places, RESOURCE, files, of_file, text};
use crate::s3::{self, OBJECT_BYTES_MAX, S3};
use flate2::read::MultiGzDecoder;
use sluice_asl::timestamp::Timestamp;
use sluice_expression::Value;
use std::io::Read;

/// How a gzip file begins.
const GZIP: &[u8] = &[0x1f, 0x8b];

impl Places {
    /// Reads items.
    pub(super) fn read(&self, resource: &str, config: &Value, arguments: &Value) -> Result<Value, Error> {
        let format = Format(config);
        let mut items = Gathering::of(format.most());
        match resource.strip_prefix(RESOURCE) {
            Some("s3:getObject") => self.object(format, arguments, &mut items)?,
            Some("s3:listObjectsV2") => self.objects(format, arguments, &mut items)?,
            Some("sluice:readFile") => {
                let path = text(arguments, "Path")?;
                let bytes = self.files()?.read(path).map_err(of_file(path))?;
                format.read(path, &unpacked(bytes)?, &mut items)?;
            }
            Some("sluice:listFiles") => {
                let pattern = text(arguments, "Pattern")?;
                let listed = self.files()?.list(pattern).map_err(of_file(pattern))?;
                items.extend(listed.into_iter().map(file))?;
            }
            _ => return Err(Error::Resource(resource.to_owned())),
        }
        Ok(items.into_value())
    }

    /// The items in an object, or in those that it names as a manifest.
    fn object(&self, format: Format<'_>, arguments: &Value, items: &mut Gathering) -> Result<(), Error> {
        let (bucket, key) = (text(arguments, "Bucket")?, text(arguments, "Key")?);
        let version = arguments.get("VersionId").and_then(Value::as_str);
        let s3 = self.s3()?;
        let bytes = unpacked(s3.get(bucket, key, version)?)?;
        match (format.text("ManifestType"), format.text("InputType")) {
            (Some("ATHENA_DATA"), _) => of_athena(&s3, format, &bytes, items),
            (Some(_), _) | (_, Some("MANIFEST")) => of_inventory(&s3, &bytes, items),
            _ => format.read(key, &bytes, items),
        }
    }

    /// A listing; or, with `LOAD_AND_FLATTEN`, the items in all objects of it.
    fn objects(&self, format: Format<'_>, arguments: &Value, items: &mut Gathering) -> Result<(), Error> {
        let bucket = text(arguments, "Bucket")?;
        let prefix = arguments.get("Prefix").and_then(Value::as_str).unwrap_or_default();
        let s3 = self.s3()?;
        if format.text("Transformation") != Some("LOAD_AND_FLATTEN") {
            return items.extend(s3.list(bucket, prefix, format.most())?.into_iter().map(object));
        }
        // What looks like a folder in S3's console is an empty object of that name.
        let listed = s3.list(bucket, prefix, usize::MAX)?;
        for listed in listed.iter().filter(|listed| !listed.key.ends_with('/')) {
            if items.is_full() {
                break;
            }
            format.read(&listed.key, &unpacked(s3.get(bucket, &listed.key, None)?)?, items)?;
        }
        Ok(())
    }
}

/// The rows of an S3 inventory, from its `manifest.json`.
fn of_inventory(s3: &S3, manifest: &[u8], items: &mut Gathering) -> Result<(), Error> {
    let no_inventory = || Error::NoItems("The file is not the manifest of an S3 inventory.".into());
    let manifest = Value::parse(manifest).map_err(|_| no_inventory())?;
    let field = |name: &str| manifest.get(name).and_then(Value::as_str).ok_or_else(no_inventory);
    if field("fileFormat")? != "CSV" {
        return Err(Error::NoItems("Only an S3 inventory in CSV can be read by this server.".into()));
    }
    let bucket = field("destinationBucket")?.trim_start_matches("arn:aws:s3:::");
    let columns = field("fileSchema")?.split(',').map(|name| Value::string(name.trim())).collect();
    let config = Value::fields([
        ("InputType", Value::string("CSV")),
        ("CSVHeaderLocation", Value::string("GIVEN")),
        ("CSVHeaders", Value::array(columns)),
    ]);
    for listed in manifest.get("files").and_then(Value::as_array).ok_or_else(no_inventory)? {
        let key = listed.get("key").and_then(Value::as_str).ok_or_else(no_inventory)?;
        if !items.is_full() {
            Format(&config).read(key, &unpacked(s3.get(bucket, key, None)?)?, items)?;
        }
    }
    Ok(())
}

/// The items in the data files that Athena's `UNLOAD` names, a URI a line.
fn of_athena(s3: &S3, format: Format<'_>, manifest: &[u8], items: &mut Gathering) -> Result<(), Error> {
    for uri in String::from_utf8_lossy(manifest).lines().map(|line| line.trim().trim_matches('"')) {
        if uri.is_empty() || items.is_full() {
            continue;
        }
        let place = uri.strip_prefix("s3://").and_then(|place| place.split_once('/'));
        let (bucket, key) =
            place.ok_or_else(|| Error::NoItems(format!("{uri} is not the URI of an object.")))?;
        format.read(key, &unpacked(s3.get(bucket, key, None)?)?, items)?;
    }
    Ok(())
}

/// The bytes of a file that may be packed with gzip.
fn unpacked(bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    if !bytes.starts_with(GZIP) {
        return Ok(bytes);
    }
    let mut whole = Vec::new();
    let read = MultiGzDecoder::new(&*bytes).take(OBJECT_BYTES_MAX + 1).read_to_end(&mut whole);
    read.map_err(|error| Error::NoItems(format!("The file cannot be unpacked: {error}")))?;
    match whole.len() as u64 > OBJECT_BYTES_MAX {
        true => Err(Error::NoItems(format!("The file is unpacked larger than {OBJECT_BYTES_MAX} bytes."))),
        false => Ok(whole),
    }
}

fn object(listed: s3::Listed) -> Value {
    let modified_ms = Timestamp::parse(&listed.last_modified).map_or(0, Timestamp::ms);
    Value::fields([
        ("Etag", Value::from(listed.etag)),
        ("Key", Value::from(listed.key)),
        ("LastModified", Value::Int((modified_ms / 1000) as i64)),
        ("Size", Value::Int(listed.size as i64)),
        ("StorageClass", Value::from(listed.storage_class)),
    ])
}

fn file(listed: files::Listed) -> Value {
    Value::fields([
        ("LastModified", Value::Int(listed.modified_s as i64)),
        ("Path", Value::from(listed.path)),
        ("Size", Value::Int(listed.size as i64)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::GzEncoder;

    #[test]
    fn what_is_packed_is_unpacked() {
        let mut packed = Vec::new();
        GzEncoder::new(&b"[1]"[..], Compression::fast()).read_to_end(&mut packed).expect("it packs");
        assert_eq!(unpacked(packed.clone()).expect("it unpacks"), b"[1]");
        assert_eq!(unpacked(b"[2]".to_vec()).expect("it is plain"), b"[2]");
        packed.truncate(packed.len() - 4);
        assert!(unpacked(packed).is_err());
    }
}
