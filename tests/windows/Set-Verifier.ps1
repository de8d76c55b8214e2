# SPDX-License-Identifier: LGPL-2.1-only
<#
.SYNOPSIS
Has Driver Verifier watch wnbd.sys from the next start of Windows on, or no longer. Never run so far.

.DESCRIPTION
Verifier stops the machine with a bug check when the driver breaks a rule: 0xC4, 0xC9, 0xF1 and others. If Windows then
does not start any more, start it in safe mode and run `verifier /reset`.

.PARAMETER Off
Ends it.

.PARAMETER LowResources
Lets allocations of the driver fail at random as well.
#>
[CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
param(
    [switch] $Off,
    [switch] $LowResources
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$key = 'HKLM:\SYSTEM\CurrentControlSet\Control\StorPort\Verifier'

if ($Off) {
    if ($PSCmdlet.ShouldProcess('Driver Verifier', 'Switch off')) {
        & verifier.exe /reset
        if (Test-Path -LiteralPath $key) {
            Remove-ItemProperty -LiteralPath $key -Name 'VerifyLevel' -ErrorAction SilentlyContinue
        }
    }
} elseif ($PSCmdlet.ShouldProcess('wnbd.sys', 'Watch by Driver Verifier')) {
    # The standard set with the rules of the port driver: DDI compliance checking (0x20000) and, by a value of its own,
    # Storport's. 0x209BB is what /standard means.
    $flags = 0x209BB -bor 0x20000
    if ($LowResources) {
        $flags = $flags -bor 0x4
    }
    & verifier.exe /flags ('0x{0:X}' -f $flags) /driver wnbd.sys
    if (-not (Test-Path -LiteralPath $key)) {
        New-Item -Path $key -Force | Out-Null
    }
    New-ItemProperty -LiteralPath $key -Name 'VerifyLevel' -PropertyType DWord -Value 1 -Force | Out-Null
}
& verifier.exe /querysettings
Write-Output 'Restart Windows for this to take effect.'
