// All kernels of one check. Blobs are stored channel first (C, N, spatial...). No #include and no templates, so that
// NVRTC needs no headers and compiles the file in a fraction of a second. Only __shared__ memory, __syncthreads and
// grid-stride loops are used, so that the same text also runs on a CPU behind the shim of the tests.
// Indices are split with 32-bit arithmetic (64-bit division is slow and large): a launch covers fewer than 2^32 items.
typedef unsigned int u32;
typedef unsigned long long u64;
#define FLT_MAX_ 3.402823466e38f
#define NOUNROLL _Pragma("unroll 1")
#define GSL(i, n) NOUNROLL for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < (n); i += (long long)gridDim.x * blockDim.x)

// ---- statistics -------------------------------------------------------------------------------------------------
// "Zero" is |x| < FLT_MIN and "not finite" is an exponent of all ones, both decided on the bits: -ftz cannot change them.
struct Acc { float sabs, mx, s1, s2; u32 zeros, nans, infs; };

__device__ __forceinline__ void acc1(Acc& a, float x, float shift) {
  u32 b = __float_as_uint(x) & 0x7fffffffu;
  a.zeros += (b < 0x00800000u);
  if (b >= 0x7f800000u) {
    if (b > 0x7f800000u) a.nans += 1; else a.infs += 1;
  } else {
    float v = __uint_as_float(b), d = x - shift;
    a.sabs += v;
    a.mx = v > a.mx ? v : a.mx;
    a.s1 += d;
    a.s2 += d * d;
  }
}

__device__ __forceinline__ float finite_or_zero(float x) {
  return (__float_as_uint(x) & 0x7f800000u) == 0x7f800000u ? 0.f : x;
}

__device__ __forceinline__ void put(float* o, const Acc& a, float shift) {
  o[0] = a.sabs; o[1] = a.mx; o[2] = (float)a.zeros; o[3] = (float)a.nans; o[4] = (float)a.infs;
  o[5] = shift; o[6] = a.s1; o[7] = a.s2;
}

// x (C, L); out[(c*chunks + k)*8] = {sum|x|, max|x|, zeros, NaNs, Infs, shift, sum(x-shift), sum((x-shift)^2)} over the
// finite elements k*chunk .. (k+1)*chunk of row c; shift is the row's first element, so a constant row has spread 0.
extern "C" __global__ void stats_rows(const float* __restrict__ x, float* __restrict__ out, long long L, int chunks, long long chunk) {
  __shared__ float s0[256], s1[256], s2[256], s3[256];
  __shared__ u32 n0[256], n1[256], n2[256];
  int c = blockIdx.y, k = blockIdx.x, t = threadIdx.x;
  const float* p = x + (long long)c * L;
  long long a = (long long)k * chunk, e = a + chunk;
  if (e > L) e = L;
  float shift = finite_or_zero(p[0]);
  Acc r = {0.f, 0.f, 0.f, 0.f, 0u, 0u, 0u};
  if (((((u64)p) & 15) == 0) && ((a & 3) == 0)) {
    long long v = (e - a) >> 2;
    const float4* q = (const float4*)(p + a);
    for (long long i = t; i < v; i += 256) {
      float4 f = q[i];
      acc1(r, f.x, shift); acc1(r, f.y, shift); acc1(r, f.z, shift); acc1(r, f.w, shift);
    }
    a += v << 2;
  }
  for (long long i = a + t; i < e; i += 256) acc1(r, p[i], shift);
  s0[t] = r.sabs; s1[t] = r.mx; s2[t] = r.s1; s3[t] = r.s2; n0[t] = r.zeros; n1[t] = r.nans; n2[t] = r.infs;
  __syncthreads();
  for (int d = 128; d > 0; d >>= 1) {
    if (t < d) {
      s0[t] += s0[t + d]; s1[t] = s1[t] > s1[t + d] ? s1[t] : s1[t + d]; s2[t] += s2[t + d]; s3[t] += s3[t + d];
      n0[t] += n0[t + d]; n1[t] += n1[t + d]; n2[t] += n2[t + d];
    }
    __syncthreads();
  }
  if (t == 0) {
    Acc w = {s0[0], s1[0], s2[0], s3[0], n0[0], n1[0], n2[0]};
    put(out + ((long long)c * chunks + k) * 8, w, shift);
  }
}

// Short rows (fully connected, pooled): one thread walks one row.
extern "C" __global__ void stats_short(const float* __restrict__ x, float* __restrict__ out, long long C, int L) {
  GSL(c, C) {
    const float* p = x + c * L;
    float shift = finite_or_zero(p[0]);
    Acc r = {0.f, 0.f, 0.f, 0.f, 0u, 0u, 0u};
    NOUNROLL for (int i = 0; i < L; i++) acc1(r, p[i], shift);
    put(out + c * 8, r, shift);
  }
}

// ---- convolution ------------------------------------------------------------------------------------------------
// x (C, N, H, W) with channel stride xcs -> col (C*R*S, N*P*Q)
extern "C" __global__ void im2col(const float* __restrict__ x, float* __restrict__ col, int C, int N, int H, int W, int R, int S, int P, int Q, int sh, int sw, int ph, int pw, int dh, int dw, long long xcs) {
  GSL(i, (long long)C * R * S * N * P * Q) {
    u32 j = (u32)i;
    int q = j % Q; j /= Q; int p = j % P; j /= P; int n = j % N; j /= N; int s = j % S; j /= S; int r = j % R; int c = (int)(j / R);
    int h = p * sh - ph + r * dh, w = q * sw - pw + s * dw;
    col[i] = (h >= 0 && h < H && w >= 0 && w < W) ? x[c * xcs + ((long long)n * H + h) * W + w] : 0.f;
  }
}

// The adjoint of im2col: every element of x (C, N, H, W) gathers the columns it went to.
extern "C" __global__ void col2im(const float* __restrict__ col, float* __restrict__ x, int C, int N, int H, int W, int R, int S, int P, int Q, int sh, int sw, int ph, int pw, int dh, int dw) {
  GSL(i, (long long)C * N * H * W) {
    u32 j = (u32)i;
    int w = j % W; j /= W; int h = j % H; j /= H; int n = j % N; int c = (int)(j / N);
    float a = 0.f;
    NOUNROLL for (int r = 0; r < R; r++) {
      int hh = h + ph - r * dh;
      if (hh < 0 || hh % sh) continue;
      int p = hh / sh;
      if (p >= P) continue;
      NOUNROLL for (int s = 0; s < S; s++) {
        int ww = w + pw - s * dw;
        if (ww < 0 || ww % sw) continue;
        int q = ww / sw;
        if (q >= Q) continue;
        a += col[((((long long)(c * R + r) * S + s) * N + n) * P + p) * Q + q];
      }
    }
    x[i] = a;
  }
}

// Depthwise convolution: output channel k reads input channel k/m alone; w (C*m, R, S).
extern "C" __global__ void dwconv(const float* __restrict__ x, const float* __restrict__ w, float* __restrict__ y, int C, int m, int N, int H, int W, int R, int S, int P, int Q, int sh, int sw, int ph, int pw, int dh, int dw) {
  GSL(i, (long long)C * m * N * P * Q) {
    u32 j = (u32)i;
    int q = j % Q; j /= Q; int p = j % P; j /= P; int n = j % N; int k = (int)(j / N); int c = k / m;
    const float* xp = x + ((long long)c * N + n) * H * W;
    const float* wp = w + (long long)k * R * S;
    float a = 0.f;
    NOUNROLL for (int r = 0; r < R; r++) {
      int h = p * sh - ph + r * dh;
      if (h < 0 || h >= H) continue;
      NOUNROLL for (int s = 0; s < S; s++) {
        int v = q * sw - pw + s * dw;
        if (v < 0 || v >= W) continue;
        a = fmaf(xp[(long long)h * W + v], wp[r * S + s], a);
      }
    }
    y[i] = a;
  }
}

// ---- channel-wise and element-wise ------------------------------------------------------------------------------
// y = (x - m[c]) * g[c] + b[c]; a null pointer leaves that step out. The difference is taken first: a channel that
// equals its mean must give exactly 0.
extern "C" __global__ void affine(const float* __restrict__ x, const float* __restrict__ m, const float* __restrict__ g, const float* __restrict__ b, float* __restrict__ y, long long total, long long L) {
  GSL(i, total) {
    u32 c = (u32)i / (u32)L;
    float v = x[i];
    if (m) v -= m[c];
    if (g) v *= g[c];
    if (b) v += b[c];
    y[i] = v;
  }
}

// y = max(x, 0) + slope[c] * min(x, 0); shared: one slope for all channels
extern "C" __global__ void prelu(const float* __restrict__ x, const float* __restrict__ slope, float* __restrict__ y, long long total, long long L, int shared) {
  GSL(i, total) {
    float v = x[i];
    y[i] = v > 0.f ? v : slope[shared ? 0u : (u32)i / (u32)L] * v;
  }
}

// Mean and biased variance of each row of x (C, L): one block a row, two passes. The sums are taken about the row's
// first element, so that a constant row has exactly that mean and variance 0.
extern "C" __global__ void moments(const float* __restrict__ x, float* __restrict__ mean, float* __restrict__ var, long long L) {
  __shared__ float s[512];
  int t = threadIdx.x;
  const float* p = x + (long long)blockIdx.x * L;
  float shift = p[0], mu = 0.f;
  NOUNROLL for (int pass = 0; pass < 2; pass++) {
    float a = 0.f;
    for (long long i = t; i < L; i += 512) {
      float d = p[i] - shift - mu;
      a += pass ? d * d : d;
    }
    s[t] = a;
    __syncthreads();
    for (int d = 256; d > 0; d >>= 1) {
      if (t < d) s[t] += s[t + d];
      __syncthreads();
    }
    a = s[0] / (float)L;
    __syncthreads();
    if (pass == 0) mu = a;
    else if (t == 0) { mean[blockIdx.x] = shift + mu; var[blockIdx.x] = a; }
  }
}

// What affine needs to normalise: m = mean*s, g = gamma / sqrt(var*s + eps); s = 1/factor (0 for factor 0, 1 without one)
extern "C" __global__ void bn_fold(const float* __restrict__ mean, const float* __restrict__ var, const float* __restrict__ factor, const float* __restrict__ gamma, float eps, float* __restrict__ m, float* __restrict__ g, long long C) {
  GSL(c, C) {
    float s = factor ? (factor[0] == 0.f ? 0.f : 1.f / factor[0]) : 1.f;
    m[c] = mean[c] * s;
    float k = 1.f / sqrtf(var[c] * s + eps);
    g[c] = gamma ? gamma[c] * k : k;
  }
}

extern "C" __global__ void unary(const float* __restrict__ x, float* __restrict__ y, long long n, int op, float a, float b, float c) {
  GSL(i, n) {
    float v = x[i];
    switch (op) {
      case 0: v = v > 0.f ? v : a * v; break;
      case 1: v = 0.5f * tanhf(0.5f * v) + 0.5f; break;
      case 2: v = tanhf(v); break;
      case 3: v = fabsf(v); break;
      case 4: v = powf(b * v + c, a); break;
      case 5: v = a * expf(b * v); break;
      case 6: v = a * logf(b * v + c); break;
      case 7: v = v > 0.f ? v + logf(1.f + expf(-v)) : logf(1.f + expf(v)); break;
      case 8: v = v > a ? 1.f : 0.f; break;
      case 9: v = v > 0.f ? v : a * (expf(v) - 1.f); break;
      case 10: v = v > a ? (v < b ? v : b) : a; break;  // a NaN becomes the lower bound
      case 11: v = b * v + c; break;
      case 12: v = v * (0.5f * tanhf(0.5f * a * v) + 0.5f); break;
    }
    y[i] = v;
  }
}

// op 0: a*x + b*z; 1: x*z; 2: the larger one, z at a tie
extern "C" __global__ void binary(const float* __restrict__ x, const float* __restrict__ z, float* __restrict__ y, long long n, int op, float a, float b) {
  GSL(i, n) {
    float u = x[i], v = z[i];
    y[i] = op == 0 ? a * u + b * v : op == 1 ? u * v : (u > v ? u : v);
  }
}

// ---- pooling, LRN, softmax --------------------------------------------------------------------------------------
// mode 0 MAX: strict > from -FLT_MAX, so a NaN never wins; arg (may be null) gets h*W + w, or -1. mode 1 AVE: the divisor
// is the window clipped to the padded blob.
extern "C" __global__ void pool(const float* __restrict__ x, float* __restrict__ y, float* __restrict__ arg, long long CN, int H, int W, int P, int Q, int kh, int kw, int sh, int sw, int ph, int pw, int mode) {
  GSL(i, CN * P * Q) {
    u32 j = (u32)i;
    int q = j % Q; j /= Q; int p = j % P; j /= P;
    const float* xp = x + (long long)j * H * W;
    int h0 = p * sh - ph, w0 = q * sw - pw, h1 = min(h0 + kh, H + ph), w1 = min(w0 + kw, W + pw);
    int area = (h1 - h0) * (w1 - w0);
    h0 = max(h0, 0); w0 = max(w0, 0); h1 = min(h1, H); w1 = min(w1, W);
    float a = mode == 0 ? -FLT_MAX_ : 0.f;
    int at = -1;
    NOUNROLL for (int h = h0; h < h1; h++) NOUNROLL for (int w = w0; w < w1; w++) {
      float v = xp[(long long)h * W + w];
      if (mode) a += v;
      else if (v > a) { a = v; at = h * W + w; }
    }
    y[i] = mode ? a / (float)area : a;
    if (arg) arg[i] = (float)at;
  }
}

// x (C, L): s = k + alpha_n * sum of x^2 over the n channels around c; y = x * s^-beta
extern "C" __global__ void lrn_across(const float* __restrict__ x, float* __restrict__ y, int C, long long L, int n, float alpha_n, float beta, float k) {
  GSL(i, C * L) {
    int c = (int)((u32)i / (u32)L), lo = max(c - (n - 1) / 2, 0), hi = min(c - (n - 1) / 2 + n, C);
    const float* p = x + (i - c * L);
    float s = 0.f;
    NOUNROLL for (int d = lo; d < hi; d++) { float v = p[d * L]; s += v * v; }
    y[i] = x[i] * powf(k + alpha_n * s, -beta);
  }
}

// y = x * (k + alpha * a)^-beta, the second half of LRN within a channel
extern "C" __global__ void lrn_apply(const float* __restrict__ x, const float* __restrict__ a, float* __restrict__ y, long long n, float alpha, float beta, float k) {
  GSL(i, n) y[i] = x[i] * powf(k + alpha * a[i], -beta);
}

// Softmax down the columns of x (C, L). A NaN anywhere in a column makes the column NaN.
extern "C" __global__ void softmax(const float* __restrict__ x, float* __restrict__ y, int C, long long L) {
  GSL(l, L) {
    float m = x[l], s = 0.f;
    NOUNROLL for (int c = 1; c < C; c++) m = fmaxf(m, x[c * L + l]);
    NOUNROLL for (int c = 0; c < C; c++) { float e = expf(x[c * L + l] - m); y[c * L + l] = e; s += e; }
    NOUNROLL for (int c = 0; c < C; c++) y[c * L + l] /= s;
  }
}

// y[l] = x[label[l], l], NaN for a label outside 0..C-1; rank[l] = how many other classes score at least as high
extern "C" __global__ void pick(const float* __restrict__ x, const float* __restrict__ label, float* __restrict__ y, float* __restrict__ rank, int C, long long L) {
  GSL(l, L) {
    int k = (int)label[l];
    bool in = k >= 0 && k < C;
    float v = in ? x[k * L + l] : __uint_as_float(0x7fc00000u);
    y[l] = v;
    if (rank) {
      int r = 0;
      NOUNROLL for (int c = 0; c < C; c++) r += (c != k && x[c * L + l] >= v);
      rank[l] = (float)r;
    }
  }
}

// ---- generator and copies ---------------------------------------------------------------------------------------
__device__ __forceinline__ u64 mix(u64 z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

// The bit-exact twin of fill.py: kind 0 a 24-bit uniform, kind 1 the sum of four 16-bit uniforms; y = v*scale + shift.
extern "C" __global__ void fill(float* __restrict__ y, long long n, u64 seed, int kind, float scale, float shift) {
  GSL(i, n) {
    u64 z = mix(seed + (u64)i * 0x9E3779B97F4A7C15ull);
    int v;
    if (kind == 0) v = (int)(z >> 40) - 8388608;
    else v = (int)(z & 0xffff) + (int)((z >> 16) & 0xffff) + (int)((z >> 32) & 0xffff) + (int)(z >> 48) - 131070;
    y[i] = __fadd_rn(__fmul_rn((float)v, scale), shift);
  }
}

// A strided copy of up to four axes (strides in elements)
extern "C" __global__ void copy4(const float* __restrict__ x, float* __restrict__ y, int a, int b, int c, int d, long long s0, long long s1, long long s2, long long s3, long long t0, long long t1, long long t2, long long t3) {
  GSL(i, (long long)a * b * c * d) {
    u32 j = (u32)i;
    int l = j % d; j /= d; int k = j % c; j /= c; int m = j % b; int n = (int)(j / b);
    y[n * t0 + m * t1 + k * t2 + l * t3] = x[n * s0 + m * s1 + k * s2 + l * s3];
  }
}
