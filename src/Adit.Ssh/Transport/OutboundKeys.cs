using Adit.Ssh.Cryptography;

namespace Adit.Ssh.Transport;

/// <summary>What applies to everything sent behind SSH_MSG_NEWKEYS.</summary>
/// <param name="Sealer">The new keys.</param>
/// <param name="Compression">"none" or "zlib@openssh.com".</param>
/// <param name="ResetSequence">Strict key exchange: sequence numbers start at zero again.</param>
internal sealed record OutboundKeys(PacketSealer Sealer, string Compression, bool ResetSequence);
