//! Boxed expressions, by kind.
//!
//! Boundary: decision tables stand in `table`; functions in `function`.
//! Read first: `Run::eval`.

use feel::{Context, Expression, Function, List, Number, Range, Str, Value, WarningKind};

use crate::evaluate::function::Invocable;
use crate::evaluate::{Frame, Run};
use crate::model::{Boxed, Invocation, Iteration, Logic};

impl Run<'_, '_> {
    /// The value of a boxed expression, of the type that it declares.
    pub(super) fn eval(&mut self, boxed: &Boxed, frame: &mut Frame) -> Value {
        if !self.session.charge(1) {
            self.note_stop();
            return Value::Null;
        }
        let value = match &boxed.logic {
            Logic::Nothing(None) => Value::Null,
            Logic::Nothing(Some(reason)) => {
                self.fail(reason.to_string());
                Value::Null
            }
            Logic::Literal(expression) => self.text(expression, frame),
            Logic::Table(table) => {
                let value = self.table(table, frame, None);
                (self.place.rule, self.place.cell) = (None, None);
                value
            }
            Logic::Context(entries) => self.context(entries, frame),
            Logic::Invocation(invocation) => self.invocation(invocation, frame),
            Logic::Relation(columns, rows) => self.relation(columns, rows, frame),
            Logic::List(items) => self.list(items, frame),
            Logic::Function(function) => {
                self.session.charge(frame.len() as u64);
                let invocable =
                    Invocable::boxed(self.shared, function, (frame, &self.place.decision));
                Value::Function(Function::host(invocable))
            }
            Logic::Conditional(parts) => {
                let [condition, then, otherwise] = &**parts;
                match self.eval(condition, frame) {
                    Value::Boolean(true) => self.eval(then, frame),
                    _ => self.eval(otherwise, frame),
                }
            }
            Logic::For(iteration) => self.for_each(iteration, frame),
            Logic::Some(iteration) => self.quantified(iteration, frame, true),
            Logic::Every(iteration) => self.quantified(iteration, frame, false),
            Logic::Filter(iteration) => self.filter(iteration, frame),
        };
        self.fit(&boxed.kind, value, "the value")
    }

    pub(super) fn text(&mut self, expression: &Expression, frame: &Frame) -> Value {
        let value = self.session.evaluate(expression, frame);
        self.note_stop();
        value
    }

    fn list(&mut self, items: &[Boxed], frame: &mut Frame) -> Value {
        let values: Vec<Value> = items.iter().map(|item| self.eval(item, frame)).collect();
        self.built(Value::from(values))
    }

    /// Large values cost steps, as they do in expressions.
    fn built(&mut self, value: Value) -> Value {
        self.session.charge(value.weight() / 64);
        value
    }

    fn context(&mut self, entries: &[(Option<Str>, Boxed)], frame: &mut Frame) -> Value {
        let bottom = frame.len();
        let mut values = Vec::with_capacity(entries.len());
        let mut result = None;
        for (name, boxed) in entries {
            let value = self.eval(boxed, frame);
            match name {
                Some(name) => {
                    frame.push(name.clone(), value.clone());
                    values.push((name.clone(), value));
                }
                None => result = Some(value),
            }
        }
        frame.truncate(bottom);
        match result {
            Some(value) => value,
            None => self.built(Value::Context(Context::new(values))),
        }
    }

    fn relation(&mut self, columns: &[Str], rows: &[Vec<Boxed>], frame: &mut Frame) -> Value {
        let mut values = Vec::with_capacity(rows.len());
        for row in rows {
            let cells = columns.iter().zip(row);
            let cells = cells.map(|(name, cell)| (name.clone(), self.eval(cell, frame)));
            values.push(Value::Context(Context::new(cells.collect())));
        }
        self.built(Value::from(values))
    }

    fn invocation(&mut self, invocation: &Invocation, frame: &mut Frame) -> Value {
        let callee = self.eval(&invocation.callee, frame);
        let mut bindings = Vec::with_capacity(invocation.bindings.len());
        for (name, argument) in &invocation.bindings {
            bindings.push((name, self.eval(argument, frame)));
        }
        let Value::Function(function) = callee else {
            let kind = callee.kind_name();
            self.session.warn(WarningKind::NoFunctionFound, format!("Can't call {kind}"));
            return Value::Null;
        };
        let parameters = function.parameters();
        let unknown = bindings
            .iter()
            .find(|(name, _)| parameters.iter().all(|parameter| parameter.name != **name));
        if let Some((name, _)) = unknown {
            self.fail(format!("the function has no parameter `{name}`"));
            return Value::Null;
        }
        let arguments = parameters.iter().map(|parameter| {
            let bound = bindings.iter().find(|(name, _)| **name == parameter.name);
            bound.map(|(_, value)| value.clone()).unwrap_or_default()
        });
        let value = self.session.call(&function, arguments.collect());
        self.note_stop();
        value
    }

    fn for_each(&mut self, iteration: &Iteration, frame: &mut Frame) -> Value {
        let Some(items) = self.items(iteration, frame) else { return Value::Null };
        let bottom = frame.len();
        let mut results = Vec::with_capacity(items.len());
        for item in items.iter() {
            if iteration.uses_partial {
                self.session.charge(results.len() as u64);
                frame.push("partial".into(), Value::from(results.clone()));
            }
            frame.push(iteration.variable.clone(), item.clone());
            results.push(self.eval(&iteration.body, frame));
            frame.truncate(bottom);
            if self.session.is_stopped() {
                return Value::Null;
            }
        }
        self.built(Value::from(results))
    }

    /// `some` if `decisive` is true, `every` otherwise: the truth that decides alone.
    fn quantified(&mut self, iteration: &Iteration, frame: &mut Frame, decisive: bool) -> Value {
        let Some(items) = self.items(iteration, frame) else { return Value::Null };
        let bottom = frame.len();
        let (mut decided, mut unknown) = (false, false);
        for item in items.iter() {
            frame.push(iteration.variable.clone(), item.clone());
            let holds = self.eval(&iteration.body, frame);
            frame.truncate(bottom);
            match holds {
                Value::Boolean(truth) => decided |= truth == decisive,
                Value::Null => unknown = true,
                other => return self.not_boolean(&other),
            }
            if self.session.is_stopped() {
                return Value::Null;
            }
        }
        match (decided, unknown) {
            (true, _) => Value::Boolean(decisive),
            (false, true) => Value::Null,
            (false, false) => Value::Boolean(!decisive),
        }
    }

    fn not_boolean(&mut self, found: &Value) -> Value {
        let message = format!("Expected boolean but found {}", found.kind_name());
        self.session.warn(WarningKind::InvalidType, message);
        Value::Null
    }

    fn filter(&mut self, iteration: &Iteration, frame: &mut Frame) -> Value {
        let Some(items) = self.items(iteration, frame) else { return Value::Null };
        let bottom = frame.len();
        let mut kept = Vec::new();
        for item in items.iter() {
            if let Value::Context(context) = item {
                self.session.charge(context.len() as u64);
                for (name, value) in context.iter() {
                    frame.push(name.clone(), value.clone());
                }
            }
            frame.push(iteration.variable.clone(), item.clone());
            let keeps = self.eval(&iteration.body, frame);
            frame.truncate(bottom);
            match keeps {
                Value::Boolean(true) => kept.push(item.clone()),
                Value::Boolean(false) | Value::Null => {}
                other => return self.not_boolean(&other),
            }
            if self.session.is_stopped() {
                return Value::Null;
            }
        }
        self.built(Value::from(kept))
    }

    /// What is iterated over: a list, or the whole numbers of a range.
    fn items(&mut self, iteration: &Iteration, frame: &mut Frame) -> Option<List> {
        match self.eval(&iteration.over, frame) {
            Value::List(list) => Some(list),
            Value::Range(range) => self.numbers(&range),
            Value::Null => None,
            other => {
                let kind = other.kind_name();
                let message = format!("Expected list but found {kind}");
                self.session.warn(WarningKind::InvalidType, message);
                None
            }
        }
    }

    fn numbers(&mut self, range: &Range) -> Option<List> {
        let first = range.start.as_i64()?.checked_add(i64::from(!range.start_included))?;
        let last = range.end.as_i64()?.checked_sub(i64::from(!range.end_included))?;
        let count = last.checked_sub(first)?.checked_add(1)?;
        if !self.session.charge(u64::try_from(count).unwrap_or(0)) {
            self.note_stop();
            return None;
        }
        Some((first..=last).map(|number| Value::Number(Number::from(number))).collect())
    }
}
