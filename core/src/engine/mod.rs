mod rng; pub use self::rng::Rng;
