"""Stand-in clouds: RunPod and Vast.ai as real HTTP servers on loopback, renting out machines with a real sshd."""
