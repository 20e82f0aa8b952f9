using Adit.Ssh.Keys;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Authentication;

/// <summary>Whether a key or certificate lets an account in, and with which rights: asked at login, and again when something has changed since.</summary>
internal sealed class KeyAcceptance(ILogger logger, TimeProvider clock)
{
    private readonly AuthorizedKeysLookup _keys = new(logger, clock);
    private readonly UserCertificates _certificates = new(logger, clock);

    /// <summary>Null when it does not. Holds the thread while it reads files.</summary>
    public LoginRights? Find(KeyQuestion question) =>
        (question.Key is Certificate certificate ? _certificates.Find(question, certificate) : null) ?? _keys.Find(question);
}
