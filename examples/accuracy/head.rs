//! The captured heads of `data/heads`.

use std::error::Error;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use scatterbrain::{Options, TensorView};

/// One head: queries, keys and values of trained attention on real input.
pub struct Head {
    /// File name without its ending.
    pub name: String,
    pub tokens: usize,
    pub dim: usize,
    pub scale: f64,
    pub causal: bool,
    pub q: Vec<f32>,
    pub k: Vec<f32>,
    pub v: Vec<f32>,
}

impl Head {
    /// Every head of the folder, by name.
    pub fn read_all(folder: &Path) -> Result<Vec<Head>, Box<dyn Error>> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "safetensors") {
                paths.push(path);
            }
        }
        paths.sort();
        paths
            .iter()
            .map(|path| Head::read(path).map_err(|error| format!("{}: {error}", path.display()).into()))
            .collect()
    }

    fn read(path: &Path) -> Result<Head, Box<dyn Error>> {
        let bytes = std::fs::read(path)?;
        let tensors = SafeTensors::deserialize(&bytes)?;
        let (_, header) = SafeTensors::read_metadata(&bytes)?;
        let field = |name: &str| {
            let fields = header.metadata().as_ref();
            fields.and_then(|fields| fields.get(name)).ok_or_else(|| format!("its header has no {name}"))
        };
        let floats = |name: &str| -> Result<(Vec<f32>, Vec<usize>), Box<dyn Error>> {
            let view = tensors.tensor(name)?;
            if view.dtype() != Dtype::F16 || view.shape().len() != 2 {
                return Err(format!("{name} is not a matrix of f16").into());
            }
            let halves = view.data().chunks_exact(2).map(|pair| half::f16::from_le_bytes([pair[0], pair[1]]).to_f32());
            Ok((halves.collect(), view.shape().to_vec()))
        };
        let ((q, shape), (k, k_shape), (v, v_shape)) = (floats("q")?, floats("k")?, floats("v")?);
        if k_shape != shape || v_shape != shape {
            return Err("q, k and v differ in shape".into());
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (scale, causal) = (field("scale")?.parse()?, field("causal")? == "true");
        Ok(Head { name, tokens: shape[0], dim: shape[1], scale, causal, q, k, v })
    }

    /// Heads of one model at one length are one group: the name up to the layer.
    pub fn group(&self) -> &str {
        self.name.rsplit_once('-').map_or(&self.name, |(group, _)| group)
    }

    pub fn view<'a>(&self, data: &'a [f32]) -> TensorView<'a> {
        TensorView::head(data, self.tokens, self.dim)
    }

    /// The options that say what this head computes exactly.
    pub fn options(&self) -> Options {
        Options { scale: Some(self.scale), causal: self.causal, ..Options::default() }
    }

    /// Keys that a query sees: the first so many.
    pub fn visible(&self, query: usize) -> usize {
        if self.causal { query + 1 } else { self.tokens }
    }

    /// Floats per row that a budget allows.
    pub fn floats(&self, budget: f64) -> usize {
        ((budget * self.tokens as f64).floor() as usize).max(1)
    }
}
