//! Estimators over temperatures: the regimes of the paper's theorem 1 on real data.

use std::ops::Deref;

use crate::analysis::RelativeError;
use crate::attention::{Engine, Inputs};
use crate::error::{Error, Result};
use crate::options::{Method, Options};
use crate::plan::{Plan, partners, positive};
use crate::shape::{Shape, TensorView};

/// Errors of each method at one temperature.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepPoint {
    /// As given.
    pub temperature: f64,
    /// Mean over rows and heads of the exact matrix's entropy, in nats.
    pub entropy: f64,
    /// `|O - Ô|_F / |O|_F` of each method, in the order asked for.
    pub errors: Vec<(Method, f64)>,
}

/// A sweep under way: [`step`](Sweep::step) until [`is_done`](Sweep::is_done), then [`finish`](Sweep::finish).
pub struct Sweep<D> {
    course: Course,
    inputs: Inputs<D>,
    engine: Option<Engine>,
}

/// What a sweep runs in which order, and what came of it.
pub(crate) struct Course {
    shape: Shape,
    options: Options,
    temperatures: Vec<f64>,
    /// `None`, exact attention, begins each temperature.
    methods: Vec<Option<Method>>,
    /// Runs finished, of temperatures x methods.
    done: usize,
    exact: Vec<f32>,
    points: Vec<SweepPoint>,
}

/// Runs `methods` at each of `temperatures`, with one budget, on the same data. Parts that a method does not have
/// are dropped from `options` for it; its own method and temperature are not looked at.
///
/// # Errors
/// Those of [`attention`](crate::attention()), and [`Error::InvalidOption`] where either list is empty or names a
/// method twice.
pub fn sweep(
    q: TensorView,
    k: TensorView,
    v: TensorView,
    options: &Options,
    temperatures: &[f64],
    methods: &[Method],
) -> Result<Vec<SweepPoint>> {
    let inputs = Inputs { q: q.data, k: k.data, v: v.data };
    let mut work = Sweep::new(Shape::of(q, k, v)?, options, temperatures, methods, inputs)?;
    while !work.is_done() {
        work.step()?;
    }
    Ok(work.finish())
}

impl<D: Deref<Target = [f32]>> Sweep<D> {
    /// Checks everything. Errors as for [`sweep`].
    pub fn new(
        shape: Shape,
        options: &Options,
        temperatures: &[f64],
        methods: &[Method],
        inputs: Inputs<D>,
    ) -> Result<Sweep<D>> {
        let check = |run, plan: &Plan| if run == 0 { inputs.check(plan) } else { Ok(()) };
        let course = Course::new(shape, options, temperatures, methods, check)?;
        Ok(Sweep { course, inputs, engine: None })
    }

    /// Whether every method has run at every temperature.
    pub fn is_done(&self) -> bool {
        self.course.is_done()
    }

    /// Share of the work done, from 0 to 1.
    pub fn fraction(&self) -> f64 {
        self.course.fraction(self.engine.as_ref().map_or(0.0, Engine::fraction))
    }

    /// Does one piece of work of one method. Does nothing when done.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn step(&mut self) -> Result<()> {
        if self.is_done() {
            return Ok(());
        }
        let mut engine = match self.engine.take() {
            Some(engine) => engine,
            None if self.course.is_exact() => Engine::with_entropy(self.course.plan()?)?,
            None => Engine::new(self.course.plan()?)?,
        };
        engine.step(&self.inputs)?;
        if engine.is_done() {
            let entropy = engine.mean_entropy();
            self.course.record(entropy, engine.finish().0.data);
        } else {
            self.engine = Some(engine);
        }
        Ok(())
    }

    /// One point per temperature, in the order asked for.
    pub fn finish(self) -> Vec<SweepPoint> {
        self.course.finish()
    }
}

impl Course {
    /// Checks everything but the inputs; `check` has a look at the plan of each run at the first temperature.
    pub fn new(
        shape: Shape,
        options: &Options,
        temperatures: &[f64],
        methods: &[Method],
        mut check: impl FnMut(usize, &Plan) -> Result<()>,
    ) -> Result<Course> {
        for (name, len) in [("temperatures", temperatures.len()), ("methods", methods.len())] {
            if len == 0 {
                return Err(Error::option(name, "[]", "at least one"));
            }
        }
        if let Some(i) = (1..methods.len()).find(|&i| methods[..i].contains(&methods[i])) {
            return Err(Error::option(format!("methods[{i}]"), methods[i], "each method once"));
        }
        for (i, &temperature) in temperatures.iter().enumerate() {
            positive(&format!("temperatures[{i}]"), temperature)?;
        }
        let course = Course {
            shape,
            options: options.clone(),
            temperatures: temperatures.to_vec(),
            methods: std::iter::once(None).chain(methods.iter().copied().map(Some)).collect(),
            done: 0,
            exact: Vec::new(),
            points: Vec::new(),
        };
        for run in 0..course.methods.len() {
            check(run, &course.plan_of(run)?)?;
        }
        Ok(course)
    }

    /// Whether every method has run at every temperature.
    pub fn is_done(&self) -> bool {
        self.done == self.temperatures.len() * self.methods.len()
    }

    /// Share of the work done, `under_way` being that of the run that comes next.
    pub fn fraction(&self, under_way: f64) -> f64 {
        (self.done as f64 + under_way) / (self.temperatures.len() * self.methods.len()) as f64
    }

    /// What to run next.
    pub fn plan(&self) -> Result<Plan> {
        self.plan_of(self.done)
    }

    /// Whether that is exact attention, of which the entropy is wanted.
    pub fn is_exact(&self) -> bool {
        self.done.is_multiple_of(self.methods.len())
    }

    /// Takes in what the next run gave.
    pub fn record(&mut self, entropy: f64, output: Vec<f32>) {
        let temperature = self.temperatures[self.done / self.methods.len()];
        match (self.methods[self.done % self.methods.len()], self.points.last_mut()) {
            (Some(method), Some(point)) => {
                let mut error = RelativeError::default();
                error.add(&self.exact, &output);
                point.errors.push((method, error.value()));
            }
            _ => {
                self.exact = output;
                self.points.push(SweepPoint { temperature, entropy, errors: Vec::new() });
            }
        }
        self.done += 1;
    }

    /// One point per temperature.
    pub fn finish(self) -> Vec<SweepPoint> {
        self.points
    }

    fn plan_of(&self, run: usize) -> Result<Plan> {
        let temperature = self.temperatures[run / self.methods.len()];
        Plan::new(self.shape, &options_for(&self.options, self.methods[run % self.methods.len()], temperature))
    }
}

/// `options` for one method, exact attention for none: of the parts that scatterbrain would have, those that the method
/// has.
fn options_for(options: &Options, method: Option<Method>, temperature: f64) -> Options {
    let method = method.unwrap_or(Method::Exact);
    let mut own = Options { method, temperature, ..options.clone() };
    let (support, features) = partners(options);
    match method {
        Method::Exact => (own.support, own.features) = (None, None),
        Method::Sparse => (own.support, own.features) = (Some(support), None),
        Method::LowRank => (own.support, own.features) = (None, Some(features)),
        Method::Vitality => own.features = None,
        Method::Auto | Method::Scatterbrain => {}
    }
    own
}
