//! What the CPU at hand can do.

use std::sync::LazyLock;

/// The best code that a CPU can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// 512 bits wide, with dot products of bytes.
    Avx512,
    /// 256 bits wide.
    Avx2,
    /// Any CPU.
    Portable,
}

impl Level {
    /// The level of this machine, detected once.
    pub fn detected() -> Self {
        static DETECTED: LazyLock<Level> =
            LazyLock::new(|| Level::all().into_iter().find(|it| it.is_available()).unwrap_or(Level::Portable));
        *DETECTED
    }

    /// All levels, the best first.
    pub fn all() -> [Self; 3] {
        [Self::Avx512, Self::Avx2, Self::Portable]
    }

    /// Whether this machine can run code of this level.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }
}
