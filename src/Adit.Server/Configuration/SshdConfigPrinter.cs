namespace Adit.Server.Configuration;

/// <summary>What <c>sshd -T</c> prints: one "keyword value" per line, which can be read back as a configuration.</summary>
public static class SshdConfigPrinter
{
    /// <param name="config">For one login where Match blocks shall count.</param>
    /// <param name="hostKeys">The host key files in use.</param>
    public static IEnumerable<string> Print(SshdConfig config, IReadOnlyList<string> hostKeys)
    {
        foreach (var keyword in SshdKeywordTable.All)
        {
            IEnumerable<string> lines = keyword switch
            {
                _ when keyword == SshdKeywords.ListenAddress => ListenEndpoints.Of(config).Select(endpoint => $"listenaddress {endpoint}"),
                _ when keyword == SshdKeywords.HostKey => hostKeys.Select(file => $"hostkey {file}"),
                _ => keyword.Print(config),
            };
            foreach (var line in lines)
            {
                yield return line;
            }
        }
    }
}
