using Adit.Ssh.Wire;

namespace Adit.Ssh.Keys;

/// <summary>A critical option or an extension of a certificate.</summary>
/// <param name="Name">For instance "force-command" or "permit-port-forwarding".</param>
/// <param name="Data">Empty for a flag; otherwise what the option defines, mostly one string.</param>
public sealed record CertificateOption(string Name, ReadOnlyMemory<byte> Data)
{
    private const int MaxNameLength = 256;
    private const int MaxOptions = 256;

    /// <summary>The one string that <see cref="Data"/> holds, or null when it is not exactly that.</summary>
    public string? Text
    {
        get
        {
            try
            {
                var reader = new SshReader(Data.Span);
                string text = reader.ReadUtf8();
                return reader.AtEnd ? text : null;
            }
            catch (SshException)
            {
                return null;
            }
        }
    }

    /// <summary>Reads a list of options; one that appears twice makes it malformed.</summary>
    // { string name | string data } repeated
    internal static CertificateOption[] ReadList(ReadOnlySpan<byte> list)
    {
        var reader = new SshReader(list);
        var options = new List<CertificateOption>();
        while (!reader.AtEnd)
        {
            string name = reader.ReadName(MaxNameLength);
            if (options.Count == MaxOptions || options.Exists(o => o.Name == name))
                throw SshException.Protocol("a certificate option appears twice, or there are too many of them");
            options.Add(new CertificateOption(name, reader.ReadString().ToArray()));
        }
        return [.. options];
    }
}
