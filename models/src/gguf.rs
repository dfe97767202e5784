//! A GGUF file, opened with distrust: every size in its header is held against the file before anything is allocated.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{Content, Value};

use crate::Error;

/// The first bytes of every GGUF file.
const MAGIC: [u8; 4] = *b"GGUF";

/// One seek and one read per tensor; a larger buffer only helps the many small reads of the header.
const BUFFER_BYTES: usize = 1 << 18;

/// An open GGUF file whose header has been checked.
pub(crate) struct ModelFile {
    pub(crate) path: PathBuf,
    pub(crate) content: Content,
    pub(crate) reader: BufReader<File>,
}

impl ModelFile {
    /// Opens the file and reads its header.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let unreadable = |source: std::io::Error| match source.kind() {
            ErrorKind::NotFound => Error::NotFound { path: path.to_owned() },
            _ => Error::Unreadable { path: path.to_owned(), source },
        };
        let broken = |reason: String| Error::Broken { path: path.to_owned(), reason };
        let about = std::fs::metadata(path).map_err(unreadable)?;
        if !about.is_file() {
            return Err(broken("it is a folder or a device; give the path of the .gguf file itself".to_owned()));
        }
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, File::open(path).map_err(unreadable)?);
        check_magic(&mut reader, about.len()).map_err(broken)?;
        let content = Content::read(&mut reader)
            .map_err(|error| broken(format!("its header cannot be read ({}); download it again", plain(&error))))?;
        check_tensors(&content, about.len()).map_err(broken)?;
        Ok(Self { path: path.to_owned(), content, reader })
    }

    /// An error about this file's content.
    pub(crate) fn broken(&self, reason: impl Into<String>) -> Error {
        Error::Broken { path: self.path.clone(), reason: reason.into() }
    }

    /// An error about what this file needs.
    pub(crate) fn unsupported(&self, reason: impl Into<String>) -> Error {
        Error::Unsupported { path: self.path.clone(), reason: reason.into() }
    }

    /// An error about an option that does not fit this file or machine.
    pub(crate) fn option(&self, option: String, reason: String) -> Error {
        Error::Option { path: self.path.clone(), option, reason }
    }

    /// A text of the metadata, if it is there.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.content.metadata.get(key)?.to_string().ok().map(String::as_str)
    }

    /// A whole number of the metadata, whatever its width, if it is there.
    pub(crate) fn number(&self, key: &str) -> Option<usize> {
        match self.content.metadata.get(key)? {
            Value::I32(number) => usize::try_from(*number).ok(),
            Value::I64(number) => usize::try_from(*number).ok(),
            other => usize::try_from(other.to_u64().ok()?).ok(),
        }
    }

    /// A token id of the metadata, if it is there.
    pub(crate) fn token(&self, key: &str) -> Option<u32> {
        u32::try_from(self.number(key)?).ok()
    }

    /// A yes or no of the metadata, if it is there.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.content.metadata.get(key)?.to_bool().ok()
    }

    /// A whole number that the model cannot do without.
    pub(crate) fn needed_number(&self, key: &str) -> Result<usize, Error> {
        self.number(key).ok_or_else(|| self.broken(format!("its metadata has no number `{key}`")))
    }

    /// A list of the metadata, each entry read by `read`; `None` where the key is missing.
    pub(crate) fn list<T>(&self, key: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<Vec<T>>, Error> {
        let Some(value) = self.content.metadata.get(key) else { return Ok(None) };
        let wrong = || self.broken(format!("its metadata entry `{key}` is not the list that it should be"));
        let list = value.to_vec().map_err(|_| wrong())?;
        list.iter().map(|it| read(it).ok_or_else(wrong)).collect::<Result<_, _>>().map(Some)
    }

    /// A list of texts that the model cannot do without.
    pub(crate) fn needed_texts(&self, key: &str) -> Result<Vec<String>, Error> {
        self.list(key, |it| it.to_string().ok().cloned())?
            .ok_or_else(|| self.broken(format!("its metadata has no list `{key}`")))
    }

    /// The rows and columns of a matrix that the model cannot do without.
    pub(crate) fn matrix(&self, name: &str) -> Result<(usize, usize), Error> {
        let tensor = self.content.tensor_infos.get(name);
        let tensor = tensor.ok_or_else(|| self.broken(format!("it has no tensor `{name}`")))?;
        tensor.shape.dims2().map_err(|_| self.broken(format!("its tensor `{name}` is not a matrix")))
    }
}

/// An error of candle in one line: where `RUST_BACKTRACE` is set, candle puts a stack trace behind its words.
pub(crate) fn plain(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

fn check_magic(reader: &mut BufReader<File>, bytes: u64) -> Result<(), String> {
    let mut magic = [0; MAGIC.len()];
    if bytes < MAGIC.len() as u64 {
        return Err(format!("it has only {bytes} bytes; download it again"));
    }
    reader.read_exact(&mut magic).and_then(|()| reader.seek(SeekFrom::Start(0))).map_err(|error| error.to_string())?;
    match &magic {
        it if *it == MAGIC => Ok(()),
        b"vers" => Err("it is a Git LFS pointer, not the model itself; run `git lfs pull`".to_owned()),
        b"PK\x03\x04" => Err("it is a zip archive; unpack the .gguf file from it".to_owned()),
        it => Err(format!(
            "it starts with {:?} where GGUF files start with \"GGUF\"; give a .gguf file",
            it.escape_ascii().to_string()
        )),
    }
}

fn check_tensors(content: &Content, file_bytes: u64) -> Result<(), String> {
    for (name, tensor) in &content.tensor_infos {
        let (block, kind) = (tensor.ggml_dtype.block_size(), tensor.ggml_dtype);
        let count = tensor.shape.dims().iter().try_fold(1_usize, |product, it| product.checked_mul(*it));
        let end = count
            .filter(|count| *count > 0 && count.is_multiple_of(block))
            .and_then(|count| (count / block).checked_mul(kind.type_size()))
            .and_then(|bytes| content.tensor_data_offset.checked_add(tensor.offset)?.checked_add(bytes as u64));
        match end {
            None => return Err(format!("its tensor `{name}` has an impossible shape {:?}", tensor.shape.dims())),
            Some(end) if end > file_bytes => {
                return Err(format!(
                    "its tensor `{name}` ends at byte {end}, but the file has {file_bytes} bytes: the download was cut \
                     short; fetch it again"
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
