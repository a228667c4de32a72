//! JSON Schema of the public registration, generated and held to the types by a test.
